"""The card on a contact's page."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest

from common.record_fields import Shown
from contacts import panels
from contacts.models import Contact
from contacts.views.access import may_edit
from recurring_payments.display import shown
from recurring_payments.field_order import ORDER
from recurring_payments.fields import RecurringField
from recurring_payments.models import RecurringPayment, Status

AT_ONCE = 5
MOST = 100
_OVER = (Status.CANCELLED, Status.EXPIRED)


def register() -> None:
    panels.register(
        panels.Panel("recurring_payments", "Recurring payments", "recurring_payments/_widget.html", _widget, order=100)
    )


def _widget(contact: Contact, request: HttpRequest) -> dict[str, Any]:
    """What still runs comes first, newest first. One query, whatever the number of rows."""
    over = Case(When(normalized_status__in=_OVER, then=Value(1)), default=Value(0), output_field=IntegerField())
    found = contact.recurring_payments.annotate(field_keys=ORDER.first_keys()).order_by(over, "-start_date", "-pk")
    rows = list(found[: MOST + 1])
    fields = ORDER.shown_on_contact(rows[0].field_keys) if rows else []
    payments = [(row, _shown(fields, row)) for row in rows[:MOST]]
    return {
        "at_once": payments[:AT_ONCE],
        "folded": payments[AT_ONCE:],
        "count": f"{MOST}+" if len(rows) > MOST else len(rows),
        "is_cut": len(rows) > MOST,
        "may_edit": may_edit(request),
    }


def _shown(fields: list[RecurringField], row: RecurringPayment) -> list[Shown]:
    return [shown(field, row) for field in fields]
