"""Small random worlds and random questions about them, drawn from values that lie next to each other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models, transaction
from hypothesis import strategies as st

from contacts.models import Contact, ContactList, ContactTag, CustomField, Identity, ListMembership, Tag
from orders.models import Order, OrderItem
from recurring_payments.models import RecurringPayment
from segments.fields import CUSTOMER, LIST, PAID_TOTAL, TAG, ConditionField
from segments.operators import UNITS, Shape
from tests.segments.plain import Person

TEXTS = ["", "pro", "Pro", "PRO plan", "pro%", "p_o", "a\\b", "no", "O’Brien", "“x”"]
CURRENCIES = ["EUR", "JPY", "KWD"]
AMOUNTS = [0, 1, 99, 100, 101, 4900, 4901]
NUMBERS: list[Any] = [0, 1, 2, 3, -1, 2.5]
TAGS = ["vip", "trial", "stripe-integration-invoice.payment_failed"]
LISTS = ["Newsletter", "Beta"]
ACCOUNTS = [("stripe", "acct_1"), ("stripe", "acct_2"), ("api", "")]
SIZES = ["small", "large"]
CUSTOM = ("text", "number", "date", "datetime", "boolean", "choice")
# A leap day, days on which clocks change, the turn of a year, a month with thirty days before one with thirty-one.
NOWS = [
    datetime(2028, 2, 29, 0, 0, tzinfo=UTC),
    datetime(2026, 3, 8, 7, 30, 15, 250_000, tzinfo=UTC),
    datetime(2026, 11, 1, 5, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2026, 5, 31, 12, 0, tzinfo=UTC),
]
ZONES = ["UTC", "America/New_York", "Asia/Kathmandu"]
STEPS = [timedelta(0), timedelta(microseconds=1), timedelta(seconds=1)]
SPANS = [1, 2, 7]


class Undo(Exception):
    """Takes back what an example wrote."""


@contextlib.contextmanager
def taken_back() -> Iterator[None]:
    with contextlib.suppress(Undo), transaction.atomic():
        yield
        raise Undo


def days(now: datetime, zone: ZoneInfo) -> st.SearchStrategy[date]:
    """Days at and beside the borders of every span."""
    today = now.astimezone(zone).date()
    near = [
        sign * (span * size + off) for span in SPANS for size in (1, 7, 30) for sign in (-1, 1) for off in (-1, 0, 1)
    ]
    return st.sampled_from([today + timedelta(days=count) for count in sorted({0, 1, -1, *near})])


def moments(now: datetime, zone: ZoneInfo) -> st.SearchStrategy[datetime]:
    """Now, and midnights of such days, and what lies a little before and after."""
    midnights = days(now, zone).map(lambda day: datetime.combine(day, time.min, zone).astimezone(UTC))
    steps = st.sampled_from([*STEPS, *(-step for step in STEPS)])
    return st.builds(lambda moment, step: moment + step, midnights | st.just(now), steps)


def column_value(model: type[models.Model], name: str, now: datetime, zone: ZoneInfo) -> st.SearchStrategy[Any]:
    """What may stand in a column of orders or recurring payments."""
    column = model._meta.get_field(name)
    found: st.SearchStrategy[Any]
    match column:
        case models.DateTimeField():
            found = moments(now, zone)
        case models.DateField():
            found = days(now, zone)
        case models.BooleanField():
            found = st.booleans()
        case models.IntegerField():
            found = st.sampled_from(AMOUNTS)
        case models.CharField() | models.TextField():
            choices = [value for value, _ in column.flatchoices]
            found = st.sampled_from(choices or (CURRENCIES if name == "currency" else _fitting(column)))
        case _:
            found = st.lists(st.sampled_from([text for text in TEXTS if text]), max_size=2)
    return found | st.none() if column.null else found


def _fitting(column: Any) -> list[str]:
    if column.name == "source":
        return ["stripe", "api"]
    return [text for text in TEXTS if len(text) <= (column.max_length or 500)]


def custom_value(kind: str, now: datetime, zone: ZoneInfo) -> st.SearchStrategy[Any]:
    """As contacts keep it in JSON; None is not there at all."""
    found: dict[str, st.SearchStrategy[Any]] = {
        "text": st.sampled_from([text for text in TEXTS if text]),
        "number": st.sampled_from(NUMBERS),
        "date": days(now, zone),
        "datetime": moments(now, zone).map(lambda moment: moment.replace(microsecond=0)),
        "boolean": st.booleans(),
        "choice": st.sampled_from(SIZES),
    }
    return found[kind] | st.none()


def custom_fields() -> None:
    for kind in CUSTOM:
        CustomField.objects.create(key=f"my_{kind}", label=f"My {kind}", type=kind, choices=SIZES)


def stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else value


def wanted(asked: ConditionField, shape: Shape, now: datetime, zone: ZoneInfo) -> st.SearchStrategy[Any]:
    """A value to compare with."""
    pair = {
        Shape.NUMBERS: st.sampled_from([*NUMBERS, *AMOUNTS]),
        Shape.DATES: days(now, zone).map(date.isoformat),
    }
    if shape in pair:
        both = st.tuples(pair[shape], pair[shape]).map(sorted)
        return both.map(lambda two: {"from": two[0], "to": two[1]})
    if shape in (Shape.MONEY, Shape.MONEYS):
        minors = st.lists(st.sampled_from(AMOUNTS), min_size=2, max_size=2)
        return st.builds(_amount, st.sampled_from(CURRENCIES), minors, st.just(shape))
    found: dict[Shape, st.SearchStrategy[Any]] = {
        Shape.NONE: st.none(),
        Shape.TEXT: st.sampled_from([text.strip() for text in [*TEXTS, "o", "%", "PLAN"] if text]),
        Shape.NUMBER: st.sampled_from([*NUMBERS, *AMOUNTS]),
        Shape.DATE: days(now, zone).map(date.isoformat),
        Shape.SPAN: st.fixed_dictionaries({"count": st.sampled_from(SPANS), "unit": st.sampled_from(UNITS)}),
        Shape.CHOICE: st.sampled_from([value for value, _ in asked.choices] or [""]),
        Shape.TAG: st.sampled_from([*TAGS, "nobody has it"]),
        Shape.CONTACT_LIST: st.sampled_from(LISTS),
        Shape.CUSTOMER: st.sampled_from(["stripe", "api", "stripe:acct_1", "stripe:acct_2", "paypal"]),
    }
    return found[shape]


def _amount(currency: str, minors: list[int], shape: Shape) -> dict[str, str]:
    digits = {"EUR": 2, "JPY": 0, "KWD": 3}[currency]
    amounts = [f"{minor / 10**digits:.{digits}f}" for minor in sorted(minors)]
    names = ("from", "to") if shape == Shape.MONEYS else ("amount",)
    return {**dict(zip(names, amounts, strict=False)), "currency": currency}


@st.composite
def condition(draw: st.DrawFn, asked: ConditionField, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    operator = draw(st.sampled_from(asked.operators))
    value = draw(wanted(asked, operator.shape, now, zone))
    if asked.key == LIST:
        value = ContactList.objects.get(name=value).pk
    return {"field": asked.key, "operator": operator.key, "value": value}


@st.composite
def tree(draw: st.DrawFn, known: dict[str, ConditionField], now: datetime, zone: ZoneInfo, depth: int = 3) -> Any:
    """A group with conditions, blocks and, `depth` levels down, groups."""
    by_about: dict[str, list[ConditionField]] = {}
    for one in known.values():
        by_about.setdefault(one.about, []).append(one)
    special = [known[key] for key in (TAG, LIST, CUSTOMER, PAID_TOTAL)]
    items: list[Any] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["condition", "special", "block", "group" if depth > 1 else "condition"]))
        if kind == "group":
            items.append(draw(tree(known, now, zone, depth - 1)))
        elif kind == "block":
            about = draw(st.sampled_from(["recurring_payment", "order"]))
            asked = draw(st.lists(st.sampled_from(by_about[about]), max_size=3))
            items.append(
                {
                    "about": about,
                    "quantifier": draw(st.sampled_from(["any", "none"])),
                    "match": draw(st.sampled_from(["all", "any"])),
                    "conditions": [draw(condition(one, now, zone)) for one in asked],
                }
            )
        else:
            pool = special if kind == "special" else list(known.values())
            items.append(draw(condition(draw(st.sampled_from(pool)), now, zone)))
    return {"match": draw(st.sampled_from(["all", "any"])), "items": items}


@st.composite
def people(
    draw: st.DrawFn, known: dict[str, ConditionField], now: datetime, zone: ZoneInfo, count: int = 5
) -> list[Person]:
    """Contacts with all that can be asked of them, saved."""
    found = [draw(person(number, now, zone)) for number in range(count)]
    for one in found:
        for about, model in (("recurring_payment", RecurringPayment), ("order", Order)):
            columns = [field.column for field in known.values() if field.about == about]
            names = {column.name for column in model._meta.concrete_fields}
            for _ in range(draw(st.integers(0, 2))):
                drawn = {name: draw(column_value(model, name, now, zone)) for name in columns if name in names}
                one.records[about].append(_record(draw, model, one, drawn))
    return found


def _record(draw: st.DrawFn, model: Any, one: Person, drawn: dict[str, Any]) -> dict[str, Any]:
    number = model.objects.count()
    key = "store_recurring_payment_id" if model is RecurringPayment else "external_id"
    drawn = {**drawn, key: f"Pro-{number}"}
    made = model.objects.create(contact=one.contact, **drawn)
    if model is Order:
        texts = st.sampled_from(TEXTS)
        drawn["items"] = draw(st.lists(st.tuples(texts, texts, st.integers(0, 2)), max_size=2))
        for position, (name, sku, quantity) in enumerate(drawn["items"]):
            OrderItem.objects.create(order=made, position=position, name=name, sku=sku, quantity=quantity)
    return drawn


@st.composite
def person(draw: st.DrawFn, number: int, now: datetime, zone: ZoneInfo) -> Person:
    texts = st.sampled_from(TEXTS)
    values = {name: draw(texts) for name in ("email", "first_name", "last_name", "phone")}
    values["source_deleted_at"] = draw(moments(now, zone) | st.none())
    custom = {f"my_{kind}": draw(custom_value(kind, now, zone)) for kind in CUSTOM}
    kept = {key: stored(value) for key, value in custom.items() if value is not None}
    contact = Contact.objects.create(**values, custom=kept)
    times = {name: draw(moments(now, zone)) for name in ("created_at", "updated_at")}
    Contact.objects.filter(pk=contact.pk).update(**times)
    made = Person(contact, {**values, **times, **{f"field:{key}": value for key, value in custom.items()}})
    made.records = {"recurring_payment": [], "order": []}
    for name in draw(st.sets(st.sampled_from(TAGS))):
        ContactTag.objects.create(contact=contact, tag=Tag.objects.get(name=name))
        made.tags.add(name)
    for name in draw(st.sets(st.sampled_from(LISTS))):
        joined = ContactList.objects.get(name=name)
        ListMembership.objects.create(contact=contact, list=joined)
        made.lists.add(joined.pk)
    for source, account in draw(st.sets(st.sampled_from(ACCOUNTS))):
        Identity.objects.create(contact=contact, source=source, account=account, external_id=str(number))
        made.identities.add((source, account))
    return made
