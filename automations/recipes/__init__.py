"""Ready-made automations to begin with (B054): one click makes a draft, with its mails, that anybody may change."""

from __future__ import annotations

from django.db import transaction

from automations import flow, lifecycle
from automations.models import Automation
from automations.recipes import endings, payments, reminders
from automations.recipes.recipe import Recipe
from campaigns.models import Campaign
from users.models import User

RECIPES: tuple[Recipe, ...] = (
    reminders.RENEWAL,
    payments.FAILED,
    reminders.CARD,
    reminders.TRIAL,
    endings.WIN_BACK,
    payments.THANKS,
    payments.YEARLY,
    endings.SURVEY,
)


def recipe(key: str) -> Recipe | None:
    return next((one for one in RECIPES if one.key == key), None)


@transaction.atomic
def make(chosen: Recipe, by: User | None) -> Automation:
    """A draft of its own, and a campaign of its own for each of its mails."""
    mails = {
        letter.key: Campaign.objects.create(
            name=f"{chosen.name}: {letter.name}"[:150],
            kind=Campaign.Kind.AUTOMATED,
            subject=letter.subject,
            html=letter.html,
            created_by=by,
        ).pk
        for letter in chosen.letters
    }
    steps = chosen.steps(mails)
    for number, step in enumerate(flow.walk(steps), start=1):
        step["id"] = f"s{number}"
    return lifecycle.create(
        chosen.name, by, description=chosen.description, triggers=[chosen.trigger], steps=steps, recipe=chosen.key
    )
