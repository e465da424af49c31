"""What starts an automation and what it does, as people would say it: labels, never codes."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from automations import picture, recipes
from automations.declarations import action
from contacts.models import ContactList, CustomField
from tests.automations.conftest import Make, having, on, step

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("renewal_reminder", "7 days before the next payment date of a recurring payment"),
        ("payment_failed", "Recurring payment status changes to Payment failed"),
        ("card_expiring", "14 days before the payment method expiration of a recurring payment"),
        ("trial_ending", "3 days before the trial end date of a recurring payment"),
        ("win_back", "Recurring payment status changes to Cancelled"),
        ("first_payment_thanks", "Order paid"),
        ("monthly_to_yearly", "A recurring payment that is billed by the month is created"),
        ("cancellation_survey", "Recurring payment status changes to Cancelled"),
    ],
)
def test_a_recipe_says_what_starts_it(recipe: str, words: str) -> None:
    """B054."""
    chosen = recipes.recipe(recipe)
    assert chosen
    assert picture.in_words([chosen.trigger]) == words


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (on("tag_added", tag="buyer"), "The tag “buyer” is added"),
        (on("tag_added", tag=None), "Tag added"),
        (on("date_of_recurring_payment", field="recurring_payment.trial_end_date", days=1, when="after"),
         "1 day after the trial end date of a recurring payment"),
        (on("date_of_recurring_payment", field="recurring_payment.trial_end_date", days=0, when="before"),
         "On the trial end date of a recurring payment"),
        (on("field_changed", field="first_name", to="Ann"), "First name of a contact changes to “Ann”"),
        (on("failed_payment", ignore_payment_intents=True), "Failed Payment: a charge fails"),
        (on("stripe_event", event="charge.failed", account=None),
         "Stripe event “Charge failed” (charge.failed) received"),
    ],
)  # fmt: skip
def test_a_trigger_is_a_sentence(trigger: dict[str, Any], words: str) -> None:
    assert picture.in_words([trigger]) == words


def test_a_change_says_both_ends_by_their_labels() -> None:
    """B047 to B049."""
    given = {"field": "normalized_status", "from": "ACTIVE", "to": "PAYMENT_FAILED"}
    trigger = on("recurring_payment_updated") | {"parameters": given}
    assert picture.in_words([trigger]) == "Recurring payment status changes from Active to Payment failed"


def test_what_is_gone_or_half_way_is_still_said() -> None:
    gone = on("recurring_payment_created", which="segment", segment=having("recurring_payment.gone", "is", 1))
    changed = on("field_changed", field="field:gone")
    assert picture.in_words([gone]).startswith("Recurring payment created")
    assert picture.in_words([changed]).startswith("Field changed")


def test_a_list_is_named_and_steps_say_what_they_do() -> None:
    vips = ContactList.objects.create(name="VIPs")
    CustomField.objects.create(key="plan", label="Plan")
    assert picture.in_words([on("list_joined", list=vips.pk)]) == "Contact joins the list “VIPs”"
    for key, parameters, words in (
        ("set_field", {"field": "field:plan", "value": "pro"}, "Plan becomes “pro”"),
        ("set_field", {"field": "field:plan", "value": None}, "Plan is emptied"),
        (
            "wait_until_date",
            {"field": "recurring_payment.trial_end_date", "days": 2, "when": "before"},
            "2 days before the trial end date of the recurring payment",
        ),
    ):
        declared = action(key)
        assert declared
        assert declared.sentence(parameters) == words


def test_cards_and_selects_show_labels(automation: Make, marketer_client: Client) -> None:
    given = {"field": "normalized_status", "from": None, "to": "PAYMENT_FAILED"}
    made = automation(on("tag_added", tag="buyer"), [step("add_tag", tag="thanked")])
    made.triggers = [on("recurring_payment_updated") | {"id": "t1", "parameters": given}]
    made.save()
    page = marketer_client.get(made.get_absolute_url()).content.decode()
    assert "Recurring payment status changes to Payment failed" in page
    assert "PAYMENT_FAILED" not in page
    form = marketer_client.get(f"{made.get_absolute_url()}triggers/t1/").content.decode()
    assert '<option value="PAYMENT_FAILED" selected>Payment failed</option>' in form
