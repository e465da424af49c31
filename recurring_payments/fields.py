"""The fields of a recurring payment, declared once: for widget, drawer, field order, export and the field catalogue.

The sixty that every store may fill stand in the order of docs/requirements.md, section 2, its extras (2.2) after them.
A store supports a field unless the table calls it empty there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from common import fields as catalogue
from common.fields import Field, FieldType
from common.record_fields import API, SOURCES, STRIPE, WOOCOMMERCE, RecordField
from recurring_payments.models import Interval, PaymentStatus, Status

CATALOGUE = "recurring_payment"
_ALL = tuple(SOURCES)
_NOT_PAYPAL = (STRIPE, WOOCOMMERCE, API)
_API_ONLY = (API,)
_STRIPE_ONLY = (STRIPE,)
_STATUSES, _PAYMENT_STATUSES, _INTERVALS = tuple(Status.values), tuple(PaymentStatus.values), tuple(Interval.values)
IDENTITY, AMOUNTS, DATES, ITEMS = "Identity", "Amounts", "Dates", "Items"
SHIPPING, BILLING, MORE = "Shipping address", "Billing address", "More"


@dataclass(frozen=True)
class RecurringField(RecordField):
    """`key` is the model's field."""

    choices: tuple[str, ...] = ()
    extra: bool = False


_MONEY, _NUMBER, _TIME, _YES = FieldType.MONEY, FieldType.NUMBER, FieldType.DATETIME, FieldType.BOOLEAN
_CHOICE, _LIST, _TEXT, _EMAIL = FieldType.CHOICE, FieldType.LIST, FieldType.TEXT, FieldType.EMAIL

_FIRST = (
    RecurringField("legacy_connection_id", "Legacy connection ID", _NUMBER, look="id"),
    RecurringField("store_recurring_payment_id", "Store recurring payment ID", look="id"),
    RecurringField("name", "Name"),
    RecurringField("email", "Email", _EMAIL),
    RecurringField("normalized_status", "Recurring payment status", _CHOICE, look="status", choices=_STATUSES),
    RecurringField("store_status", "Store status"),
    RecurringField("store_customer_id", "Store customer ID", look="id"),
    RecurringField("billing_interval", "Billing interval", _CHOICE, AMOUNTS, look="interval", choices=_INTERVALS),
    RecurringField("billing_interval_count", "Billing interval count", _NUMBER, AMOUNTS),
    RecurringField("payment_amount", "Payment amount", _MONEY, AMOUNTS),
    RecurringField("discount_amount", "Discount amount", _MONEY, AMOUNTS),
    RecurringField("tax_amount", "Tax amount", _MONEY, AMOUNTS),
    RecurringField("shipping_amount", "Shipping amount", _MONEY, AMOUNTS),
    RecurringField(
        "last_payment_status", "Last payment status", _CHOICE, DATES, look="payment", choices=_PAYMENT_STATUSES
    ),
    RecurringField("last_payment_date", "Last payment date", _TIME, DATES),
    RecurringField("start_date", "Start date", _TIME, DATES),
    RecurringField("renewal_date", "Renewal date", _TIME, DATES),
    RecurringField("next_payment_date", "Next payment date", _TIME, DATES),
    RecurringField("anchor_date", "Anchor date", _TIME, DATES),
    RecurringField("cancelled_date", "Cancelled date", _TIME, DATES),
    RecurringField(
        "payment_method_expiration", "Payment method expiration", FieldType.DATE, DATES, _NOT_PAYPAL, look="month"
    ),
    RecurringField("origin_order_id", "Origin order ID", look="id"),
    RecurringField("currency", "Currency", _TEXT, AMOUNTS),
    RecurringField("store_created_date", "Store created date", _TIME, DATES),
    RecurringField("store_modified_date", "Store modified date", _TIME, DATES),
    RecurringField("is_trial", "Is trial", _YES, DATES),
    RecurringField("cancel_at_period_end", "Cancel at period end", _YES, DATES),
    RecurringField("total_cycles", "Total cycles", _NUMBER, DATES, look="cycles"),
    RecurringField("notes", "Notes", _LIST),
    RecurringField("store_external_id", "Store external ID", look="id"),
    RecurringField("line_item_categories", "Line item categories", _LIST, ITEMS),
    RecurringField("line_item_names", "Line item names", _LIST, ITEMS),
    RecurringField("line_item_skus", "Line item SKUs", _LIST, ITEMS),
    RecurringField("line_item_brands", "Line item brands", _LIST, ITEMS, _NOT_PAYPAL),
    RecurringField("line_item_tags", "Line item tags", _LIST, ITEMS, _NOT_PAYPAL),
    RecurringField("line_item_store_primary_ids", "Line item store primary IDs", _LIST, ITEMS, look="id"),
)

# (end of the key, end of the label, type, look, who fills it for shipping, who for billing)
_PARTS = (
    ("first_name", "first name", _TEXT, "", _ALL, _ALL),
    ("last_name", "last name", _TEXT, "", _ALL, _ALL),
    ("line1", "line 1", _TEXT, "", _ALL, _NOT_PAYPAL),
    ("line2", "line 2", _TEXT, "", _ALL, _NOT_PAYPAL),
    ("line3", "line 3", _TEXT, "", _API_ONLY, _API_ONLY),
    ("city", "city", _TEXT, "", _ALL, _NOT_PAYPAL),
    ("province", "province", _TEXT, "", _ALL, _NOT_PAYPAL),
    ("country", "country", _TEXT, "country", _ALL, _NOT_PAYPAL),
    ("postal_code", "postal code", _TEXT, "", _ALL, _NOT_PAYPAL),
    ("phone", "phone", _TEXT, "", _NOT_PAYPAL, _ALL),
    ("company", "company", _TEXT, "", _NOT_PAYPAL, _NOT_PAYPAL),
    ("email", "email", _EMAIL, "", _ALL, _ALL),
)


def _addresses() -> Iterable[RecurringField]:
    for key, label, kind, look, shipping, _ in _PARTS:
        yield RecurringField(f"shipping_{key}", f"Shipping address {label}", kind, SHIPPING, shipping, look)
    for key, label, kind, look, _, billing in _PARTS:
        yield RecurringField(f"billing_{key}", f"Billing address {label}", kind, BILLING, billing, look)


def _more(
    key: str, label: str, kind: FieldType = _TEXT, look: str = "", sources: tuple[str, ...] = _STRIPE_ONLY
) -> RecurringField:
    return RecurringField(key, label, kind, MORE, sources, look, extra=True)


_EXTRAS = (
    _more("trial_start_date", "Trial start date", _TIME),
    _more("trial_end_date", "Trial end date", _TIME),
    _more("current_period_start", "Current period start", _TIME),
    _more("current_period_end", "Current period end", _TIME),
    _more("ended_date", "Ended date", _TIME),
    _more("cancel_at", "Cancels on", _TIME),
    _more("cancellation_reason", "Cancellation reason", look="words"),
    _more("cancellation_feedback", "Cancellation feedback", look="words"),
    _more("cancellation_comment", "Cancellation comment"),
    _more("pause_resumes_at", "Pause ends on", _TIME),
    _more("collection_method", "Collection method", look="words"),
    _more("quantity", "Quantity", _NUMBER),
    _more("price_id", "Price ID", look="id"),
    _more("plan_name", "Plan name"),
    _more("discount_code", "Discount code"),
    _more("payment_method_brand", "Payment method brand", look="words"),
    _more("payment_method_last4", "Payment method last 4 digits"),
    _more("latest_invoice_url", "Latest invoice", look="link"),
    _more("failed_payment_count", "Failed payment count", _NUMBER),
    _more("mrr_amount", "Monthly recurring revenue", _MONEY),
    _more("source", "Source", look="source", sources=_ALL),
    _more("account", "Account", look="id", sources=_ALL),
    _more("is_test", "Test mode", _YES, sources=_ALL),
    _more("last_synced_at", "Last synced", _TIME, sources=_ALL),
)

FIELDS: tuple[RecurringField, ...] = (*_FIRST, *_addresses(), *_EXTRAS)
BY_KEY = {field.key: field for field in FIELDS}
# What every store may fill: the fields of section 2, which the export carries.
SHARED_KEYS = tuple(field.key for field in FIELDS if not field.extra)


def register() -> None:
    catalogue.register(CATALOGUE, catalogue_fields)


def catalogue_fields() -> Iterable[Field]:
    """The same fields as conditions, tags and reports know them."""
    for field in FIELDS:
        yield Field(field.key, field.label, field.type, field.section, choices=field.choices)
