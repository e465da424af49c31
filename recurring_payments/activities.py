"""Recurring payments on the timeline of their contacts: what changed as people read it, and the way to the details."""

from __future__ import annotations

from typing import Any

from common.record_fields import is_empty
from contacts import timeline
from contacts.models import Activity
from contacts.timeline import Change
from recurring_payments.display import display
from recurring_payments.fields import BY_KEY
from recurring_payments.models import RecurringPayment

KIND = "recurring_payment"
_COLUMNS = {column.name: column for column in RecurringPayment._meta.concrete_fields}


def register() -> None:
    # A row goes only with its contact, which takes the lines along.
    timeline.link_pages(KIND, None, "recurring_payments:detail", in_drawer=True)
    timeline.tell_changes(KIND, changes)


def changes(activity: Activity) -> list[Change]:
    """Each field that changed with its label, both values as the details show them; "" for none."""
    before, after = (_row(activity, side) for side in ("old", "new"))
    return [_change(change["field"], before, after) for change in activity.changes if change["field"] in BY_KEY]


def _row(activity: Activity, side: str) -> RecurringPayment:
    """What the activity tells of the state before (`old`) or after (`new`): an amount is shown in its currency then."""
    row = RecurringPayment(currency=activity.data.get("currency", ""))
    for change in activity.changes:
        if change["field"] in BY_KEY:
            setattr(row, change["field"], _stored(change["field"], change[side]))
    return row


def _stored(name: str, value: Any) -> Any:
    """A value of an activity, which is JSON, as the model has it."""
    return None if value is None else _COLUMNS[name].to_python(value)


def _change(name: str, before: RecurringPayment, after: RecurringPayment) -> Change:
    return Change(BY_KEY[name].label, _text(name, before), _text(name, after))


def _text(name: str, row: RecurringPayment) -> str:
    value = getattr(row, name)
    if is_empty(value):
        return ""
    if name == "billing_interval":
        # How many of them make the interval is a change of its own, or none.
        return str(value).capitalize()
    return display(BY_KEY[name], row)
