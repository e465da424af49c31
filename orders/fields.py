"""The fields of an order as people see them: for its details, its card on a contact and the order of the fields.

Stripe is the only source that brings orders; another one that does adds itself to what it fills.
"""

from __future__ import annotations

from collections.abc import Iterable

from common import fields as catalogue
from common.fields import Field, FieldType
from common.record_fields import STRIPE, RecordField
from orders.models import Status

CATALOGUE = "order"

_TEXT, _MONEY, _NUMBER, _TIME = FieldType.TEXT, FieldType.MONEY, FieldType.NUMBER, FieldType.DATETIME
_LIST, _YES = FieldType.LIST, FieldType.BOOLEAN
IDENTITY, AMOUNTS, DATES, ITEMS, REFERENCES, MORE = "Identity", "Amounts", "Dates", "Items", "References", "More"


def _field(key: str, label: str, kind: FieldType = _TEXT, section: str = IDENTITY, look: str = "") -> RecordField:
    return RecordField(key, label, kind, section, (STRIPE,), look)


FIELDS = (
    _field("number", "Number", look="id"),
    _field("placed_at", "Placed", _TIME, DATES),
    _field("paid_at", "Paid", _TIME, DATES),
    _field("status", "Order status", FieldType.CHOICE, look="status"),
    _field("email", "Email", FieldType.EMAIL),
    _field("description", "Description"),
    _field("currency", "Currency", section=AMOUNTS),
    _field("total", "Total", _MONEY, AMOUNTS),
    _field("tax", "Tax", _MONEY, AMOUNTS),
    _field("discount", "Discount", _MONEY, AMOUNTS),
    _field("shipping", "Shipping", _MONEY, AMOUNTS),
    _field("refunded", "Refunded", _MONEY, AMOUNTS),
    _field("kept", "Kept after refunds", _MONEY, AMOUNTS),
    _field("item_names", "Item names", _LIST, ITEMS),
    _field("item_skus", "Item SKUs", _LIST, ITEMS),
    _field("item_quantity", "Quantity of all items", _NUMBER, ITEMS),
    _field("url", "Invoice or receipt", section=MORE, look="link"),
    _field("external_id", "Order ID", look="id"),
    # Everything at the source that is this purchase; the key is the kind of the reference.
    _field("checkout_session", "Checkout session", _LIST, REFERENCES, look="id"),
    _field("invoice", "Invoice", _LIST, REFERENCES, look="id"),
    _field("payment_intent", "Payment intent", _LIST, REFERENCES, look="id"),
    _field("charge", "Charge", _LIST, REFERENCES, look="id"),
    _field("source", "Source", section=MORE, look="source"),
    _field("account", "Account", section=MORE, look="id"),
    _field("is_test", "Test mode", _YES, MORE),
    _field("last_synced_at", "Last synced", _TIME, MORE),
)


def register() -> None:
    catalogue.register(CATALOGUE, catalogue_fields)


def catalogue_fields() -> Iterable[Field]:
    """The same fields as conditions, tags and reports know them."""
    for field in FIELDS:
        choices = tuple(Status.values) if field.key == "status" else ()
        yield Field(field.key, field.label, field.type, field.section, choices=choices)
