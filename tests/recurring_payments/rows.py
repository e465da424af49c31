"""Rows of recurring payments as a source would have left them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from contacts.models import Contact
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
