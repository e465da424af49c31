"""Days before or after a date. The clock finds them: see `automations.dating`."""

from __future__ import annotations

from automations import wording
from automations.declarations import Brought, Json, Sample, Trigger
from automations.field_parameters import DateField
from automations.parameters import Choice, Number
from automations.triggers import sampling
from automations.triggers.recurring import none_synced
from recurring_payments.models import RecurringPayment

WHEN = (("before", "days before"), ("after", "days after"))


def _when() -> tuple[tuple[str, str], ...]:
    return WHEN


def _payments(parameters: Json) -> list[Sample]:
    """The next ones that have the date."""
    name = str(parameters.get("field", "")).removeprefix("recurring_payment.")
    if not name or not hasattr(RecurringPayment, name):
        return []
    found = RecurringPayment.objects.exclude(**{name: None}).exclude(contact=None).order_by("-pk")
    return [sampling.of_payment(one, one.created_at) for one in found[: sampling.SHOWN]]


def _in_words(given: Json) -> str:
    said = wording.day(given)
    return said[:1].upper() + said[1:]


def _dated(key: str, label: str, catalogue: str, *brings: Brought) -> Trigger:
    return Trigger(
        key=key,
        label=label,
        section="Dates",
        description="Starts some days before or after the date, once for each date. Dates that are past when the "
        "automation is activated start nothing.",
        icon="calendar",
        brings=brings,
        instant=False,
        parameters=(
            DateField(key="field", label="Date", catalogues=(catalogue,)),
            Number(key="days", label="How many days", default=3, most=3650),
            Choice(key="when", label="Before or after", offered=_when, default="before"),
        ),
        unavailable=none_synced if catalogue == "recurring_payment" else lambda: "",
        samples=_payments if catalogue == "recurring_payment" else lambda _parameters: [],
        is_dated=True,
        in_words=_in_words,
    )


TRIGGERS = [
    _dated(
        "date_of_recurring_payment",
        "Date of a recurring payment",
        "recurring_payment",
        "contact",
        "recurring_payment",
    ),
    _dated("date_of_contact", "Date of a contact", "contact", "contact"),
]
