"""Rows of recurring payments as a source would have left them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from common.origin import Origin
from contacts.models import Activity, Contact, Kind
from recurring_payments import words
from recurring_payments.models import RecurringPayment

PRO: dict[str, Any] = {
    "source": "stripe",
    "account": "acct_1",
    "legacy_connection_id": 7,
    "name": "Pro plan",
    "email": "ana@example.com",
    "normalized_status": "ACTIVE",
    "store_status": "active",
    "store_customer_id": "cus_1",
    "billing_interval": "MONTHLY",
    "billing_interval_count": 1,
    "currency": "EUR",
    "payment_amount": 4900,
    "discount_amount": 0,
    "tax_amount": 782,
    "shipping_amount": 0,
    "last_payment_status": "COMPLETED",
    "last_payment_date": datetime(2026, 11, 1, 9, tzinfo=UTC),
    "start_date": datetime(2025, 3, 1, 9, tzinfo=UTC),
    "renewal_date": datetime(2026, 12, 1, 9, tzinfo=UTC),
    "next_payment_date": datetime(2026, 12, 1, 9, tzinfo=UTC),
    "payment_method_expiration": date(2028, 8, 1),
    "line_item_names": ["Pro plan"],
    "line_item_skus": ["PRO-M"],
    "billing_city": "Valencia",
    "billing_country": "ES",
    "latest_invoice_url": "https://invoice.stripe.com/i/1",
}


def payment(contact: Contact | None = None, number: int = 1, **values: Any) -> RecurringPayment:
    """A saved recurring payment: the Pro plan, unless told otherwise. `number` makes its id."""
    about = PRO | {"store_recurring_payment_id": f"sub_{number}", "contact": contact} | values
    return RecurringPayment.objects.create(**about)


def tell(row: RecurringPayment, changes: dict[str, tuple[Any, Any]]) -> None:
    """Put a change on the timeline of its contact: field -> (old, new), as JSON has them."""
    Activity.objects.create(
        contact=row.contact,
        kind=Kind.RECURRING_PAYMENT_UPDATED,
        occurred_at=datetime.now(UTC),
        summary=words.updated(row, changes),
        changes=[{"field": name, "old": old, "new": new} for name, (old, new) in changes.items()],
        data={"recurring_payment": row.pk, "currency": row.currency},
        origin=Origin.WEBHOOK,
        dedupe=f"told {row.pk}",
    )
