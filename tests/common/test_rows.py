"""Rows written by arrays are the rows the ORM would have written."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.core import serializers
from django.db import IntegrityError, transaction

from common import rows
from common.text import loads, storable_json
from connections.models import Connection, RemoteObject
from contacts.models import Activity, Contact, Tag
from recurring_payments.models import RecurringPayment, Status

pytestmark = pytest.mark.django_db
# Everything an array's text form could trip over.
TEXTS = ["", "plain", 'a "quoted" word', "back\\slash", "comma, brace {x}", "NULL", "línea\nnueva 🙂", "'; drop table"]


def payment(number: int, **values: Any) -> RecurringPayment:
    identity = {"source": "stripe", "account": "acct_1", "store_recurring_payment_id": f"sub_{number}"}
    return RecurringPayment(**identity, normalized_status=Status.ACTIVE, **values)


FILLED = {
    "name": "Mühle “A”",
    "payment_amount": 2**62,
    "is_trial": True,
    "total_cycles": 12,
    "start_date": datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=UTC),
    "payment_method_expiration": date(2027, 1, 31),
    "line_item_names": TEXTS,
    "notes": [],
}


def test_inserted_rows_come_back_as_they_were() -> None:
    written = [payment(1, **FILLED), payment(2)]
    rows.insert(written)
    assert all(row.pk and not row._state.adding for row in written)
    by_orm = payment(3, **FILLED)
    by_orm.save()
    first, second, third = RecurringPayment.objects.order_by("pk")
    assert (first.pk, second.pk) == (written[0].pk, written[1].pk)
    assert (
        second.payment_amount is None and second.line_item_names == [] and second.created_at and second.last_synced_at
    )
    for name in FILLED:
        assert getattr(first, name) == getattr(third, name) == FILLED[name]


def test_updates_write_the_named_fields_of_each_row() -> None:
    written = [payment(1, **FILLED), payment(2, **FILLED)]
    rows.insert(written)
    written[0].line_item_names, written[0].name, written[0].payment_amount = ["x"], "left alone", None
    written[1].line_item_names, written[1].normalized_status = TEXTS[::-1], Status.PAUSED
    rows.update(written, ["line_item_names", "normalized_status", "payment_amount"])
    first, second = RecurringPayment.objects.order_by("pk")
    assert (first.line_item_names, first.name, first.payment_amount) == (["x"], FILLED["name"], None)
    assert (second.line_item_names, second.normalized_status) == (TEXTS[::-1], Status.PAUSED)


def test_json_keeps_nulls_large_numbers_and_nesting() -> None:
    body = {"none": None, "large": 2**63 - 1, "list": [{"deep": TEXTS}], "float": 1.5}
    connection = Connection.objects.create(source="stripe", account="acct_1", name="Mill")
    kept = RemoteObject(connection=connection, type="charge", external_id="ch_1", body=body, refs=['a "b"', "c,d"])
    empty = RemoteObject(connection=connection, type="charge", external_id="ch_2", body=None)
    rows.insert([kept, empty])
    assert RemoteObject.objects.get(external_id="ch_1").body == body
    assert RemoteObject.objects.get(external_id="ch_1").refs == ['a "b"', "c,d"]
    assert RemoteObject.objects.filter(body__isnull=True).get() == empty


def test_a_conflict_clause_tells_what_was_written() -> None:
    Tag.objects.create(name="old")
    found = rows.insert([Tag(name="new"), Tag(name="old")], conflict="on conflict (name) do nothing", told=("name",))
    assert found == [("new",)]
    assert Tag.objects.count() == 2


def test_a_broken_constraint_is_the_orms_error() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.insert([Tag(name="same"), Tag(name="same")])
    assert not Tag.objects.exists()


def test_nothing_to_write_asks_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert rows.insert([]) == []
        rows.update([], ["name"])


def test_generated_values_of_the_database_are_left_to_it() -> None:
    contact = Contact(email="mia@mill.example", email_key="mia@mill.example")
    rows.insert([contact])
    told = Activity(contact_id=contact.pk, kind="tag.added", occurred_at=datetime.now(UTC), summary="x", dedupe="1")
    rows.insert([told])
    assert Activity.objects.get().recorded_at


def test_a_body_is_read_when_somebody_looks_into_it() -> None:
    connection = Connection.objects.create(account="acct_lazy", name="Lazy")
    bodies: list[Any] = [{"a": [1, "ü"]}, None, []]
    made = [RemoteObject(connection=connection, type="a", external_id=str(n), body=b) for n, b in enumerate(bodies)]
    rows.insert(made)

    def found() -> list[RemoteObject]:
        return rows.read(RemoteObject.objects.order_by("pk"))

    assert [row.body for row in found()] == bodies
    first, second, _ = found()
    assert "body" not in first.__dict__ and first.has({"a": [1, "ü"]}) and not first.has({"a": [1]})
    assert second.has(None) and not second.has({})
    other = found()[0]
    # Keys in another order are the same object in another text.
    assert not other.has({"b": 1}) and other.has({"a": [1, "ü"]})
    other.body = {"new": True}
    assert other.body == {"new": True} and other.has({"new": True})
    # A row whose text nobody read keeps it when the rest is saved.
    untouched = found()[0]
    untouched.event_type = "x"
    untouched.save()
    assert RemoteObject.objects.get(pk=untouched.pk).body == bodies[0]


@pytest.mark.parametrize("number", [2**53 + 1, 2**64, 10**30, -(10**25)])
def test_numbers_of_any_length_stay_exact(number: int) -> None:
    assert loads(f'{{"amount": {number}}}') == {"amount": number}


@pytest.mark.parametrize("number", [1, 10**20])
def test_half_an_emoji_is_replaced_whatever_stands_beside_it(number: int) -> None:
    raw = b'{"amount": %d, "name": "Ana \\ud83d", "whole": "\\ud83d\\ude00", "none": "\\u0000"}' % number
    assert storable_json(raw) == {"amount": number, "name": "Ana \ufffd", "whole": "😀", "none": "\ufffd"}


@pytest.mark.parametrize("number", [1, 10**20])
def test_half_an_emoji_as_bytes_is_replaced_whatever_stands_beside_it(number: int) -> None:
    """Not UTF-8, though some write it; without a backslash that would tell of it."""
    name = storable_json(b'{"amount": %d, "name": "Ana \xed\xa0\xbd"}' % number)["name"]
    assert name.encode().startswith(b"Ana ")


def test_bodies_survive_being_dumped_and_loaded() -> None:
    connection = Connection.objects.create(source="stripe", account="acct_1", name="Mill")
    body = {"id": "ch_1", "amount": 2**70, "list": [None, "ü"]}
    kept = RemoteObject.objects.create(connection=connection, type="charge", external_id="ch_1", body=body)
    written = serializers.serialize("json", [kept])
    RemoteObject.objects.all().delete()
    for one in serializers.deserialize("json", written):
        one.save()
    assert RemoteObject.objects.get().body == body


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 12345678901234567890, "b": NaN}', "{", ""])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)
