"""The order of a recurring payment's fields. The widget shows the first five, the details all of them."""

from __future__ import annotations

from common.field_order import OrderedFields
from recurring_payments.fields import FIELDS

ORDER = OrderedFields(
    "recurring-payments",
    FIELDS,
    first=(
        "next_payment_date",
        "last_payment_date",
        "last_payment_status",
        "start_date",
        "total_cycles",
        "billing_interval",
        "payment_amount",
    ),
    on_contact=5,
)
