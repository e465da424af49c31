"""A draft of conditions as the templates show it: names, choices and mistakes of every input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.filters import distinct
from orders.models import Order
from recurring_payments.models import RecurringPayment
from segments.customers import customer_choices
from segments.drafts import CONDITION, GROUP, Draft, Place, name_of, parts_of
from segments.fields import CONTACT, RECURRING_PAYMENT, ConditionField
from segments.operators import UNITS, Kind, Shape

if TYPE_CHECKING:
    from segments.builder import Builder

DEEPEST_GROUP = 3
Choices = list[tuple[str, str]]
_LABELS = {
    "value": "Value",
    "from": "From",
    "to": "To",
    "amount": "Amount",
    "currency": "Currency",
    "count": "How many",
    "unit": "Unit",
}
_INPUTS = {Shape.NUMBER: "number", Shape.DATE: "date", Shape.DATES: "date", Shape.TEXT: "text", Shape.TAG: "tag"}


@dataclass(frozen=True)
class Input:
    """One input of a condition's value. `kind`: text, tag, number, count, date, currency, select."""

    name: str
    label: str
    kind: str
    value: str
    choices: Choices
    error: str


@dataclass(frozen=True)
class OptionGroup:
    label: str
    fields: list[ConditionField]


@dataclass(frozen=True)
class Node:
    builder: Builder
    draft: Draft
    place: Place

    @property
    def name(self) -> str:
        """What its inputs' names begin with."""
        return name_of(self.builder.prefix, self.place, "")[:-1]

    @property
    def where(self) -> str:
        """The place as buttons send it."""
        return "-".join(map(str, self.place))

    @property
    def number(self) -> str:
        """How people who do not see it tell it from the others: «2.1»."""
        return ".".join(str(step + 1) for step in self.place)

    @property
    def children(self) -> list[Node]:
        return [Node(self.builder, child, (*self.place, number)) for number, child in enumerate(self.draft.children)]

    @property
    def is_condition(self) -> bool:
        return self.draft.kind == CONDITION

    @property
    def is_group(self) -> bool:
        return self.draft.kind == GROUP

    @property
    def is_last_added(self) -> bool:
        return self.builder.focus == self.place

    @property
    def may_nest(self) -> bool:
        return self.is_group and len(self.place) < DEEPEST_GROUP

    @property
    def may_ask_recurring_payments(self) -> bool:
        return self.is_group and self.builder.scope == CONTACT and self.builder.shows_recurring_payments

    @property
    def may_ask_orders(self) -> bool:
        return self.is_group and self.builder.scope == CONTACT

    @property
    def is_about_recurring_payments(self) -> bool:
        return self.draft.kind == RECURRING_PAYMENT

    @property
    def block_error(self) -> str:
        return self.draft.errors.get("items", "")

    # --- A condition ------------------------------------------------------------------------------------------------

    @property
    def asked(self) -> ConditionField | None:
        return self.builder.known.get(self.draft.field)

    @property
    def about(self) -> str:
        """What the block is about in which this condition stands; "" outside of one."""
        parent = self.builder.root.draft.at(self.place[:-1])
        return parent.kind if parent and parent.kind != GROUP else ""

    @property
    def groups(self) -> list[OptionGroup]:
        found: dict[str, list[ConditionField]] = {}
        for one in self.builder.offered(self.about, self.draft.field):
            found.setdefault(one.group, []).append(one)
        return [OptionGroup(label, listed) for label, listed in found.items()]

    @property
    def shows_own_names(self) -> bool:
        return bool(self.about) or self.builder.scope != CONTACT

    @property
    def field_error(self) -> str:
        return self.draft.errors.get("field", "") or self.draft.errors.get("operator", "")

    @property
    def inputs(self) -> Iterable[Input]:
        asked = self.asked
        operator = asked.operator(self.draft.operator) if asked else None
        if asked is None or operator is None:
            return
        for part in parts_of(operator.shape):
            yield self._input(asked, operator.shape, part)

    @property
    def value_errors(self) -> list[Input]:
        return [one for one in self.inputs if one.error]

    def _input(self, asked: ConditionField, shape: Shape, part: str) -> Input:
        choices = self._choices(asked, part)
        kind = "select" if choices else _INPUTS.get(shape, "number")
        if part in ("count", "currency"):
            kind = part
        elif part == "value" and shape in (Shape.CHOICE, Shape.CONTACT_LIST, Shape.CUSTOMER):
            kind = "select"
        value = self.draft.parts.get(part, "") or self._default(part)
        name, error = name_of(self.builder.prefix, self.place, part), self.draft.errors.get(part, "")
        return Input(name, _LABELS[part], kind, value, choices, error)

    def _choices(self, asked: ConditionField, part: str) -> Choices:
        if part == "unit":
            return [(unit, unit) for unit in UNITS]
        if part != "value":
            return []
        match asked.kind:
            case Kind.CONTACT_LIST:
                return self.builder.lists
            case Kind.CUSTOMER:
                return customer_choices()
            case Kind.CHOICE:
                return list(asked.choices)
        return []

    def _default(self, part: str) -> str:
        """Days; for a currency one that was paid in already."""
        if part == "unit":
            return UNITS[0]
        if part != "currency":
            return ""
        known = (code for model in (RecurringPayment, Order) for (code,) in distinct(model, "currency"))
        return next(filter(None, known), "")
