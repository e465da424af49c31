"""Recurring payments that begin or change. Each change counts, also one that was taken back in the same second."""

from __future__ import annotations

from automations import wording
from automations.declarations import Json, Trigger
from automations.field_parameters import CatalogueField, Conditions, FieldValue
from automations.parameters import Choice
from automations.triggers import sampling
from automations.triggers.comparing import went
from common import once
from common.fields import catalogue
from contacts.models import Activity, Kind
from recurring_payments.fields import CATALOGUE
from recurring_payments.models import RecurringPayment
from recurring_payments.records import TOLD
from segments import conditions
from segments.compiling import recurring_payments_matching
from segments.fields import RECURRING_PAYMENT
from segments.words import describe_record

SECTION = "Recurring payments"
CREATED, UPDATED = (Kind.RECURRING_PAYMENT_CREATED.value,), (Kind.RECURRING_PAYMENT_UPDATED.value,)
STATUS = "normalized_status"
NONE_SYNCED = (
    "Appears once a recurring payment was synced. Connect the Subscription resource of Stripe, at Apps, with its "
    "history, or wait for the next subscription."
)


@once.kept
def none_synced() -> str:
    """Recurring payments can be used once there is one (B006 to B009)."""
    return "" if RecurringPayment.objects.exists() else NONE_SYNCED


def _changed(activity: Activity, parameters: Json) -> bool:
    key = parameters.get("field") or STATUS
    if not any(change["field"] == key for change in activity.changes):
        return False
    field = catalogue(CATALOGUE).get(key)
    old, new = parameters.get("from"), parameters.get("to")
    return went(activity.changes, key, old, new, field, activity.data.get("currency", ""))


def _in_segment(activities: list[Activity], parameters: Json) -> set[int]:
    """Of recurring payments that began, those whose own fields match."""
    if parameters.get("which") != "segment" or not parameters.get("segment"):
        return {activity.pk for activity in activities}
    try:
        group = conditions.parse(parameters["segment"], "recurring_payment")
    except conditions.ConditionError:
        # It can be read no more: nobody matches, and no other automation waits for it.
        return set()
    payments = {activity.data.get("recurring_payment") for activity in activities}
    found = set(recurring_payments_matching(group).filter(pk__in=payments).values_list("pk", flat=True))
    return {activity.pk for activity in activities if activity.data.get("recurring_payment") in found}


def _lacks_segment(parameters: Json) -> list[str]:
    if parameters.get("which") == "segment" and not parameters.get("segment"):
        return ["Add at least one condition, or let all recurring payments start it."]
    return []


def _grew(activity: Activity, *, up: bool) -> bool:
    """A plan change shows in what the subscription brings in a month; one that ended or was taken up is none."""
    told = {change["field"]: (change["old"], change["new"]) for change in activity.changes}
    old, new = told.get("mrr_amount", (None, None))
    if not old or not new or STATUS in told or "currency" in told:
        return False
    return bool(new > old) if up else bool(new < old)


def _upgraded(activity: Activity, _parameters: Json) -> bool:
    return _grew(activity, up=True)


def _downgraded(activity: Activity, _parameters: Json) -> bool:
    return _grew(activity, up=False)


def _which() -> list[tuple[str, str]]:
    return [("all", "All recurring payments"), ("segment", "Segment recurring payments")]


def _created_in_words(given: Json) -> str:
    if given.get("which") != "segment":
        return "Recurring payment created"
    group = conditions.parse(given["segment"], "recurring_payment")
    which = describe_record(group, RECURRING_PAYMENT)
    return f"A recurring payment {which} is created" if which else "Recurring payment created"


def _any_value(key: str, label: str) -> FieldValue:
    return FieldValue(
        key=key, label=label, of="field", catalogue=CATALOGUE, required=False, help="Leave empty for any value."
    )


TRIGGERS = [
    Trigger(
        key="recurring_payment_created",
        label="Recurring payment created",
        section=SECTION,
        description="Starts when a contact begins to pay something again and again.",
        icon="repeat",
        kinds=CREATED,
        brings=("contact", "recurring_payment", "event"),
        parameters=(
            Choice(key="which", label="Which", offered=_which, default="all"),
            Conditions(key="segment", label="That match", scope="recurring_payment", required=False),
        ),
        among=_in_segment,
        unavailable=none_synced,
        samples=sampling.of_kinds(CREATED, lambda _activity, _parameters: True, _in_segment),
        problems=_lacks_segment,
        in_words=_created_in_words,
    ),
    Trigger(
        key="recurring_payment_updated",
        label="Recurring payment updated",
        section=SECTION,
        description="Starts when a field of a recurring payment goes from one value to another.",
        icon="refresh-cw",
        kinds=UPDATED,
        brings=("contact", "recurring_payment", "event"),
        parameters=(
            CatalogueField(key="field", label="Field", catalogue=CATALOGUE, only=TOLD, default=STATUS),
            _any_value("from", "From"),
            _any_value("to", "To"),
        ),
        matches=_changed,
        unavailable=none_synced,
        samples=sampling.of_kinds(UPDATED, _changed),
        in_words=lambda given: wording.change(CATALOGUE, given),
    ),
    Trigger(
        key="subscription_upgraded",
        label="Subscription upgraded",
        section="Payments",
        description="Starts when a running subscription comes to bring more in a month: a bigger plan or more seats.",
        icon="arrow-up",
        kinds=UPDATED,
        brings=("contact", "recurring_payment", "event"),
        matches=_upgraded,
        unavailable=none_synced,
        samples=sampling.of_kinds(UPDATED, _upgraded),
    ),
    Trigger(
        key="subscription_downgraded",
        label="Subscription downgraded",
        section="Payments",
        description="Starts when a running subscription comes to bring less in a month.",
        icon="arrow-down",
        kinds=UPDATED,
        brings=("contact", "recurring_payment", "event"),
        matches=_downgraded,
        unavailable=none_synced,
        samples=sampling.of_kinds(UPDATED, _downgraded),
    ),
]
