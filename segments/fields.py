"""What conditions can ask about, drawn from the one field catalogue, with what only segments ask: tags, lists, sums."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Field as ModelField

from common.fields import Field, FieldType, catalogue
from common.record_fields import SOURCES
from orders.models import Order
from recurring_payments.models import RecurringPayment
from segments.operators import IS_EMPTY, IS_NOT_EMPTY, OPERATORS, Kind, Operator

CONTACT, RECURRING_PAYMENT, ORDER = "contact", "recurring_payment", "order"
ABOUT = (RECURRING_PAYMENT, ORDER)
TAG, LIST, CUSTOMER = "contact.tag", "contact.list", "contact.customer"
ORDER_COUNT, PAID_TOTAL = "contact.order_count", "contact.paid_total"
RECURRING_PAYMENT_COUNT = "contact.recurring_payment_count"
_KINDS = {
    FieldType.EMAIL: Kind.TEXT,
    FieldType.LIST: Kind.WORDS,
}
_MODELS: dict[str, Any] = {RECURRING_PAYMENT: RecurringPayment, ORDER: Order}
# "Recurring Payment - <field>" is what people look for who come from elsewhere.
_PREFIX = {RECURRING_PAYMENT: "Recurring Payment - ", ORDER: "Order - "}
_GROUP = {RECURRING_PAYMENT: "Recurring payment: ", ORDER: "Order: "}
_IDENTIFIERS_ONLY = "References"


@dataclass(frozen=True)
class ConditionField:
    """`key` is public and stored: "contact.email", "contact.field:plan", "recurring_payment.next_payment_date".

    `name` is the label inside a block about the same thing, `label` the one that says what it is about.
    `choices` are (value, words). `optional`: whether it can be empty.
    """

    key: str
    name: str
    kind: Kind
    about: str
    group: str
    choices: tuple[tuple[str, str], ...] = ()
    optional: bool = True

    @property
    def column(self) -> str:
        """The key without what it is about."""
        return self.key.partition(".")[2]

    @property
    def label(self) -> str:
        return _PREFIX.get(self.about, "") + self.name

    @property
    def operators(self) -> tuple[Operator, ...]:
        every = OPERATORS[self.kind]
        return every if self.optional else tuple(one for one in every if one not in (IS_EMPTY, IS_NOT_EMPTY))

    @property
    def needs_recurring_payments(self) -> bool:
        return self.about == RECURRING_PAYMENT or self.key == RECURRING_PAYMENT_COUNT

    def operator(self, key: str) -> Operator | None:
        return next((one for one in self.operators if one.key == key), None)


def fields(scope: str) -> dict[str, ConditionField]:
    """Key -> field, as they are listed. `scope`: contact (everything), or recurring_payment or order (their own)."""
    found: list[ConditionField] = []
    if scope == CONTACT:
        found += [*_contact_fields(), *_sums()]
    for about in ABOUT:
        if scope in (CONTACT, about):
            found += _record_fields(about)
    return {field.key: field for field in found}


def _contact_fields() -> Iterable[ConditionField]:
    for field in catalogue(CONTACT).values():
        is_custom = field.key.startswith("field:")
        choices = tuple((choice, choice) for choice in field.choices)
        yield ConditionField(f"contact.{field.key}", field.label, _kind(field), CONTACT, field.group, choices)
        if not is_custom and field.key == "phone":
            yield from _about_contacts()


def _about_contacts() -> Iterable[ConditionField]:
    yield ConditionField(TAG, "Tag", Kind.TAG, CONTACT, "Contact")
    yield ConditionField(LIST, "Lists", Kind.CONTACT_LIST, CONTACT, "Contact")
    yield ConditionField(CUSTOMER, "Customer", Kind.CUSTOMER, CONTACT, "Contact")
    yield ConditionField("contact.created_at", "Created", Kind.DATETIME, CONTACT, "Contact", optional=False)
    yield ConditionField("contact.updated_at", "Last changed", Kind.DATETIME, CONTACT, "Contact", optional=False)
    yield ConditionField("contact.source_deleted_at", "Deleted at the source", Kind.DATETIME, CONTACT, "Contact")


def _sums() -> Iterable[ConditionField]:
    kinds = (
        (ORDER_COUNT, "Number of paid orders", Kind.NUMBER),
        (PAID_TOTAL, "Paid in all, after refunds", Kind.MONEY),
        (RECURRING_PAYMENT_COUNT, "Number of recurring payments", Kind.NUMBER),
    )
    for key, label, kind in kinds:
        yield ConditionField(key, label, kind, CONTACT, "Totals", optional=False)


def _record_fields(about: str) -> Iterable[ConditionField]:
    for field in catalogue(about).values():
        if field.group == _IDENTIFIERS_ONLY:
            continue
        column = _model_field(about, field.key)
        yield ConditionField(
            f"{about}.{field.key}",
            field.label,
            Kind.CHOICE if field.key == "source" else _kind(field),
            about,
            _GROUP[about] + field.group,
            _choices(field, column),
            _can_be_empty(column),
        )


def _kind(field: Field) -> Kind:
    return _KINDS.get(field.type) or Kind(field.type.value)


def _model_field(about: str, key: str) -> ModelField[Any, Any] | None:
    return next((one for one in _MODELS[about]._meta.concrete_fields if one.name == key), None)


def _choices(field: Field, column: ModelField[Any, Any] | None) -> tuple[tuple[str, str], ...]:
    if field.key == "source":
        return tuple(SOURCES.items())
    words = dict(column.flatchoices) if column else {}
    return tuple((choice, str(words.get(choice, choice)).capitalize()) for choice in field.choices)


def _can_be_empty(column: ModelField[Any, Any] | None) -> bool:
    """Columns that always say something, such as a status, a switch or a count, are never empty."""
    return column is None or column.null or column.blank
