"""The personalization tags: what a mail may say of its recipient, drawn from the one field catalogue.

A tag is `{{ root.key }}`. Which roots a campaign may use depends on what sends it: see `personalization.problems`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from common import fields as catalogue
from common.fields import Field, FieldType
from common.record_fields import RecordField
from contacts.fields import CATALOGUE as CONTACT
from orders.fields import FIELDS as ORDER_FIELDS
from recurring_payments.fields import FIELDS as RECURRING_FIELDS

RECURRING_PAYMENT, ORDER, EVENT, WORKSPACE, UNSUBSCRIBE = (
    "recurring_payment",
    "order",
    "event",
    "workspace",
    "unsubscribe_url",
)
GROUPS = {
    CONTACT: "Contact",
    RECURRING_PAYMENT: "Recurring payment",
    ORDER: "Order",
    EVENT: "Event",
    WORKSPACE: "Workspace",
}
# Only automations know which recurring payment, order or event a mail is about.
OF_AUTOMATIONS = (RECURRING_PAYMENT, ORDER, EVENT)


@dataclass(frozen=True)
class Tag:
    """`path` is what stands between the braces; `sample` what a reader may find in its place.

    `sources` are the apps that fill it, in words; empty where it does not come from an app.
    """

    path: str
    label: str
    group: str
    sample: str
    sources: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        return f"{{{{ {self.path} }}}}"

    @property
    def root(self) -> str:
        return self.path.partition(".")[0]


_BY_TYPE = {
    FieldType.TEXT: "Text",
    FieldType.NUMBER: "3",
    FieldType.MONEY: "€49.00",
    FieldType.DATE: "Dec 1, 2026",
    FieldType.DATETIME: "Dec 1, 2026",
    FieldType.BOOLEAN: "Yes",
    FieldType.CHOICE: "Choice",
    FieldType.EMAIL: "ana.lopez@example.com",
    FieldType.LIST: "First, Second",
}
# By the end of the path: what a type alone does not show.
_SAMPLES = {
    "first_name": "Ana",
    "last_name": "López",
    "name": "Pro plan",
    "phone": "+34 600 100 200",
    "normalized_status": "Active",
    "status": "Paid",
    "store_status": "active",
    "billing_interval": "1 month",
    "billing_interval_count": "1",
    "last_payment_status": "Paid",
    "payment_method_expiration": "08/2027",
    "currency": "EUR",
    "total_cycles": "No end",
    "line1": "Calle Mayor 1",
    "line2": "2º B",
    "line3": "",
    "city": "Madrid",
    "province": "Madrid",
    "country": "Spain",
    "postal_code": "28013",
    "company": "Brightside Ltd",
    "line_item_names": "Pro plan, Extra seat",
    "line_item_categories": "Software",
    "line_item_skus": "pro-monthly",
    "line_item_brands": "Millrace",
    "line_item_tags": "plan, seat",
    "line_item_store_primary_ids": "prod_R4tXv0",
    "item_names": "Pro plan",
    "item_skus": "pro-monthly",
    "item_quantity": "1",
    "description": "Pro plan, December",
    "number": "R-1042",
    "plan_name": "Pro",
    "discount_code": "WELCOME",
    "payment_method_brand": "Visa",
    "payment_method_last4": "4242",
    "latest_invoice_url": "https://invoice.stripe.com/i/acct_1/live_1",
    "url": "https://pay.stripe.com/receipts/1",
    "cancellation_reason": "Cancellation requested",
    "cancellation_feedback": "Too expensive",
    "cancellation_comment": "We will come back in spring.",
    "collection_method": "Charge automatically",
    "notes": "Renewed by phone",
    "quantity": "1",
    "failed_payment_count": "1",
    "discount_amount": "€0.00",
    "shipping_amount": "€0.00",
    "tax_amount": "€7.82",
    "source": "Stripe",
    "store_recurring_payment_id": "sub_1Q8fKz",
    "store_customer_id": "cus_R4tXv0",
    "store_external_id": "A-1042",
    "origin_order_id": "in_1Q8fKz",
    "external_id": "in_1Q8fKz",
    "legacy_connection_id": "7",
    "account": "acct_1Q8fKz",
    "price_id": "price_1Q8fKz",
    "checkout_session": "cs_1Q8fKz",
    "invoice": "in_1Q8fKz",
    "payment_intent": "pi_1Q8fKz",
    "charge": "ch_1Q8fKz",
    "is_test": "No",
    "is_trial": "No",
    "cancel_at_period_end": "No",
}


def tags() -> list[Tag]:
    """Every tag, in the order in which people see them. Reads the custom fields."""
    return [*_contact(), *_recurring_payment(), *_order(), *_EVENT, *_WORKSPACE]


def allowed(*, is_direct: bool) -> list[Tag]:
    """Those that a campaign of this kind may use."""
    return [tag for tag in tags() if not (is_direct and tag.root in OF_AUTOMATIONS)]


def grouped(chosen: Iterable[Tag]) -> dict[str, list[Tag]]:
    """Group -> tags, both in order of first appearance."""
    groups: dict[str, list[Tag]] = {}
    for tag in chosen:
        groups.setdefault(tag.group, []).append(tag)
    return groups


def contact_path(key: str) -> str:
    """«first_name» -> contact.first_name; the custom field «field:plan» -> contact.fields.plan."""
    return f"contact.fields.{key.removeprefix('field:')}" if key.startswith("field:") else f"contact.{key}"


def _contact() -> Iterator[Tag]:
    fields = catalogue.catalogue(CONTACT).values()
    for field in fields:
        yield Tag(contact_path(field.key), field.label, GROUPS[CONTACT], _of_contact(field))
        if field.key == "last_name":
            yield Tag("contact.name", "First and last name", GROUPS[CONTACT], "Ana López")


def _of_contact(field: Field) -> str:
    if field.example:
        return field.example
    if field.type == FieldType.CHOICE and field.choices:
        return field.choices[0]
    return _BY_TYPE[field.type] if field.key.startswith("field:") else _sample(field.key, field.type)


def _recurring_payment() -> Iterator[Tag]:
    for field in RECURRING_FIELDS:
        yield _of_record(RECURRING_PAYMENT, field)


def _order() -> Iterator[Tag]:
    for field in ORDER_FIELDS:
        yield _of_record(ORDER, field)


def _of_record(root: str, field: RecordField) -> Tag:
    return Tag(
        f"{root}.{field.key}", field.label, GROUPS[root], _sample(field.key, field.type), tuple(field.source_names)
    )


def _sample(key: str, kind: FieldType) -> str:
    """By the key, else by its end («billing_city» as «city»), else by the type."""
    short = key.removeprefix("billing_").removeprefix("shipping_")
    return _SAMPLES.get(key, _SAMPLES.get(short, _BY_TYPE[kind]))


_EVENT = (
    Tag("event.type", "Type of the event", GROUPS[EVENT], "invoice.payment_failed", ("Stripe",)),
    Tag("event.summary", "What happened, in a sentence", GROUPS[EVENT], "Invoice payment failed: €49.00"),
    Tag("event.occurred_at", "When it happened", GROUPS[EVENT], "Dec 1, 2026"),
)
_WORKSPACE = (
    Tag("workspace.name", "Name of the workspace", GROUPS[WORKSPACE], "Millrace"),
    Tag("workspace.address", "Postal address", GROUPS[WORKSPACE], "Mill Lane 1, 10115 Berlin"),
    Tag(UNSUBSCRIBE, "Link to unsubscribe", GROUPS[WORKSPACE], "https://crm.example.com/mail/unsubscribe/…"),
)
