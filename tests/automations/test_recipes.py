"""Recipes (B054): one click makes a draft that can be activated as it is, and edited."""

from __future__ import annotations

import pytest

from automations import lifecycle, recipes
from automations.models import Automation
from automations.recipes.recipe import Recipe
from campaigns.models import Campaign
from campaigns.personalization import problems
from contacts.models import Contact
from recurring_payments.models import RecurringPayment

pytestmark = pytest.mark.django_db


def test_there_are_the_eight_that_were_promised() -> None:
    assert [recipe.name for recipe in recipes.RECIPES] == [
        "Renewal reminder",
        "Payment failed follow-up",
        "Card about to expire",
        "Trial ending",
        "Win-back",
        "Thanks for the first payment",
        "Monthly to yearly",
        "Cancellation survey",
    ]


@pytest.mark.parametrize("recipe", recipes.RECIPES, ids=lambda recipe: recipe.key)
def test_a_recipe_makes_a_draft_that_can_be_activated(recipe: Recipe) -> None:
    """B054. Its mails use only tags that exist and that its trigger brings."""
    RecurringPayment.objects.create(
        contact=Contact.objects.create(), source="stripe", account="acct_1", normalized_status="ACTIVE"
    )
    made = recipes.make(recipe, None)
    assert (made.state, made.recipe, made.has_changes) == (Automation.State.DRAFT, recipe.key, True)
    for campaign in Campaign.objects.all():
        for source in campaign.sources:
            assert problems(source, kind=Campaign.Kind.AUTOMATED) == []
    assert lifecycle.activate(made.pk, None).number == 1


def test_the_same_recipe_twice_makes_two_drafts_with_mails_of_their_own() -> None:
    first, second = (recipes.make(recipes.RECIPES[0], None) for _ in range(2))
    assert first.steps[0]["parameters"]["campaign"] != second.steps[0]["parameters"]["campaign"]
