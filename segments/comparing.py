"""One condition on a row's own field, as a filter. Texts are compared without regard to capitals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    DecimalField,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextField,
    Value,
    When,
)
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast, Coalesce, Collate, Upper
from django.db.models.lookups import Exact, IsNull
from django.utils import timezone

from common.money import to_minor
from orders.models import OrderItem
from segments.conditions import Condition, ConditionError
from segments.fields import ConditionField
from segments.moments import days, moments
from segments.operators import Kind

_LINES = {"order.item_names": "name", "order.item_skus": "sku"}
_ITEM_QUANTITY, _KEPT = "order.item_quantity", "order.kept"
_NEGATIVE = {"is_not": "is", "not_contains": "contains", "not_includes": "includes", "is_not_empty": "is_empty"}
_TEXT = {"is": "iexact", "contains": "icontains", "starts_with": "istartswith", "ends_with": "iendswith"}
_NUMBER = {"is": "exact", "more_than": "gt", "at_least": "gte", "less_than": "lt", "at_most": "lte"}


def known_field(item: Condition, known: dict[str, ConditionField]) -> ConditionField:
    """The field a condition asks about. ConditionError when it is gone, as a custom field that was deleted."""
    if item.field not in known:
        raise ConditionError(item.field, "This field does not exist any more.")
    return known[item.field]


def query(asked: ConditionField, item: Condition, now: datetime) -> Q:
    """The condition for rows of what the field is about: contacts, orders, recurring payments."""
    positive = _NEGATIVE.get(item.operator)
    if positive:
        return _opposite(query(asked, Condition(item.field, positive, item.value), now))
    if asked.key in _LINES:
        return _lines(_LINES[asked.key], item)
    return _KINDS[asked.kind](asked, item, now)


def _opposite(found: Q) -> Q:
    """Not so, which includes not known."""
    return Q(Exact(Coalesce(ExpressionWrapper(found, BooleanField()), Value(value=False)), Value(value=False)))


def _is_custom(asked: ConditionField) -> bool:
    return asked.column.startswith("field:")


def _key(asked: ConditionField) -> str:
    return asked.column.removeprefix("field:")


def _text_of(asked: ConditionField) -> Any:
    if _is_custom(asked):
        return KeyTextTransform(_key(asked), "custom")
    return ExpressionWrapper(F(asked.column), TextField())


def _lookup(expression: Any, name: str, value: Any) -> Q:
    return Q(expression.output_field.get_lookup(name)(expression, value))


def _text(asked: ConditionField, item: Condition, now: datetime) -> Q:
    place = _text_of(asked)
    if item.operator == "is_empty":
        return (
            Q(IsNull(place, rhs=True)) | _lookup(place, "exact", "") if _is_custom(asked) else Q(**{asked.column: ""})
        )
    return _lookup(place, _TEXT[item.operator], item.value)


def _choice(asked: ConditionField, item: Condition, now: datetime) -> Q:
    if item.operator == "is_empty":
        return _text(asked, item, now)
    return Q(custom__contains={_key(asked): item.value}) if _is_custom(asked) else Q(**{asked.column: item.value})


def _number(asked: ConditionField, item: Condition, now: datetime) -> Q:
    place = _number_of(asked)
    if item.operator == "is_empty":
        return Q(IsNull(place, rhs=True))
    if item.operator == "is" and _is_custom(asked):
        return Q(custom__contains={_key(asked): item.value})
    if item.operator == "between":
        low, high = (Decimal(str(item.value[part])) for part in ("from", "to"))
        return _lookup(place, "gte", low) & _lookup(place, "lte", high)
    return _lookup(place, _NUMBER[item.operator], Decimal(str(item.value)))


def _number_of(asked: ConditionField) -> Any:
    """As a decimal, so that 2.5 can be asked of whole numbers too. Of custom values only what is a number counts."""
    if asked.key == _ITEM_QUANTITY:
        quantities = OrderItem.objects.filter(order=OuterRef("pk")).order_by().values("order")
        total = Subquery(quantities.annotate(all=Sum("quantity")).values("all"), output_field=_decimal())
        return Coalesce(total, Value(Decimal(0)), output_field=_decimal())
    if not _is_custom(asked):
        return ExpressionWrapper(F(asked.column), _decimal())
    kind = Func(KeyTransform(_key(asked), "custom"), function="jsonb_typeof", output_field=TextField())
    number = Func(
        KeyTextTransform(_key(asked), "custom"), template="(%(expressions)s)::numeric", output_field=_decimal()
    )
    return Case(When(Exact(kind, Value("number")), then=number), output_field=_decimal())


def _decimal() -> DecimalField[Any, Any]:
    return DecimalField(max_digits=40, decimal_places=15)


def _money(asked: ConditionField, item: Condition, now: datetime) -> Q:
    amount: Any = F("total") - F("refunded") if asked.key == _KEPT else F(asked.column)
    place = ExpressionWrapper(amount, BigIntegerField())
    if item.operator == "is_empty":
        return Q(IsNull(place, rhs=True))
    currency = item.value["currency"]
    compared = [(_NUMBER[item.operator], "amount")] if item.operator in _NUMBER else [("gte", "from"), ("lte", "to")]
    found = Q(currency=currency)
    for name, part in compared:
        found &= _lookup(place, name, to_minor(Decimal(item.value[part]), currency))
    return found


def _boolean(asked: ConditionField, item: Condition, now: datetime) -> Q:
    if item.operator == "is_empty":
        return Q(IsNull(_text_of(asked), rhs=True))
    wanted = item.operator == "yes"
    return Q(custom__contains={_key(asked): wanted}) if _is_custom(asked) else Q(**{asked.column: wanted})


def _date(asked: ConditionField, item: Condition, now: datetime) -> Q:
    if item.operator == "is_empty":
        return _no_moment(asked)
    since, until = days(item.operator, item.value, _today(now))
    return _between(asked, since and since.isoformat(), until and until.isoformat())


def _datetime(asked: ConditionField, item: Condition, now: datetime) -> Q:
    if item.operator == "is_empty":
        return _no_moment(asked)
    since, until = moments(item.operator, item.value, now)
    if not _is_custom(asked):
        return _between(asked, since, until)
    return _between(asked, since and _stored(since), until and _stored(until))


def _no_moment(asked: ConditionField) -> Q:
    return Q(IsNull(_text_of(asked), rhs=True)) if _is_custom(asked) else Q(**{f"{asked.column}__isnull": True})


def _between(asked: ConditionField, since: Any, until: Any) -> Q:
    """[since, until). Custom dates are stored as ISO text, which sorts byte by byte as the days do."""
    if not _is_custom(asked):
        bounds = {f"{asked.column}__gte": since, f"{asked.column}__lt": until}
        return Q(**{name: bound for name, bound in bounds.items() if bound is not None})
    place = Collate(KeyTextTransform(_key(asked), "custom"), "C")
    found = _lookup(place, "gt", "")
    found &= _lookup(place, "gte", since) if since else Q()
    return found & (_lookup(place, "lt", until) if until else Q())


def _stored(moment: datetime) -> str:
    """As contacts keep it, by the second: the next whole one, because those before it lie before the moment."""
    whole = moment.replace(microsecond=0)
    return (whole + timedelta(seconds=whole < moment)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _today(now: datetime) -> date:
    return now.astimezone(timezone.get_default_timezone()).date()


def _words(asked: ConditionField, item: Condition, now: datetime) -> Q:
    if item.operator == "is_empty":
        return Q(**{asked.column: []})
    if item.operator == "contains":
        joined = Func(F(asked.column), Value("\n"), function="array_to_string", output_field=TextField())
        return _lookup(joined, "icontains", item.value)
    every = Cast(Upper(Cast(F(asked.column), TextField())), ArrayField(TextField()))
    wanted = Upper(Value(item.value, TextField()))
    one_of = Func(wanted, every, arg_joiner=" = ANY(", template="(%(expressions)s))", output_field=BooleanField())
    return Q(one_of)


def _lines(column: str, item: Condition) -> Q:
    """Names or SKUs of an order's items."""
    lines: QuerySet[OrderItem] = OrderItem.objects.filter(order=OuterRef("pk"))
    if item.operator == "is_empty":
        return ~Q(Exists(lines.exclude(**{column: ""})))
    name = "iexact" if item.operator == "includes" else "icontains"
    return Q(Exists(lines.filter(**{f"{column}__{name}": item.value})))


_KINDS: dict[Kind, Callable[[ConditionField, Condition, datetime], Q]] = {
    Kind.TEXT: _text,
    Kind.CHOICE: _choice,
    Kind.NUMBER: _number,
    Kind.MONEY: _money,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.DATETIME: _datetime,
    Kind.WORDS: _words,
}
