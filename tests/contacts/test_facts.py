"""Which fact a field shows: the same one, in whatever order and however often the facts are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contacts import facts
from contacts.facts import Fact
from contacts.models import Contact

START = datetime(2026, 11, 1, tzinfo=UTC)
PHONE = "phone"
CUSTOMER = "stripe:customer:"


def fact(value: object, at: int = 0, slot: str = "stripe:customer:cus_1", object_id: str = "", **more: object) -> Fact:
    return Fact(PHONE, value, START + timedelta(seconds=at), slot, object_id, **more)  # type: ignore[arg-type]


def after(*told: Fact) -> Contact:
    contact = Contact()
    for one in told:
        facts.offer(contact, one)
    return contact


VALUES = st.sampled_from(["", "1", "2", "3"])


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """What may be true at once: a state of an object at one moment has one value."""
    states = draw(st.dictionaries(st.tuples(st.sampled_from(["cus_1", "cus_2"]), st.integers(0, 6)), VALUES))
    charges = draw(st.dictionaries(st.sampled_from(["ch_1", "ch_2", "ch_3"]), st.tuples(st.integers(0, 6), VALUES)))
    edits = draw(st.dictionaries(st.integers(0, 6), VALUES))
    return [
        *(fact(value, at, f"stripe:customer:{customer}", customer) for (customer, at), value in states.items()),
        *(fact(value, at, "stripe:charge", charge) for charge, (at, value) in charges.items()),
        *(fact(value, at, facts.USER_SLOT, "7") for at, value in edits.items()),
    ]


def in_order_of_each_object(told: list[Fact]) -> list[Fact]:
    """The facts in their places, but the states of one changing object behind one another: the guard sees to that."""
    waiting = {slot: iter(sorted((f for f in told if f.slot == slot), key=_time)) for slot in {f.slot for f in told}}
    return [next(waiting[one.slot]) if one.slot.startswith(CUSTOMER) else one for one in told]


def _time(one: Fact) -> datetime:
    return one.as_of


@given(st.data(), histories())
def test_objects_in_any_order_and_number_end_in_the_same_value(data: st.DataObject, told: list[Fact]) -> None:
    again = data.draw(st.lists(st.sampled_from(told), max_size=6)) if told else []
    shuffled = in_order_of_each_object(data.draw(st.permutations(told + again)))
    one, other = after(*sorted(told, key=_time)), after(*shuffled)
    assert other.phone == one.phone
    assert facts.winner(other, PHONE) == facts.winner(one, PHONE)


@given(st.data(), histories())
def test_facts_that_say_something_may_come_in_any_order(data: st.DataObject, told: list[Fact]) -> None:
    told = [one for one in told if one.value or one.slot == facts.USER_SLOT]
    again = data.draw(st.lists(st.sampled_from(told), max_size=6)) if told else []
    shuffled = data.draw(st.permutations(told + again))
    one, other = after(*sorted(told, key=_time)), after(*shuffled)
    assert other.phone == one.phone
    assert facts.winner(other, PHONE) == facts.winner(one, PHONE)


@given(histories())
def test_what_a_field_shows_is_what_its_winner_says(told: list[Fact]) -> None:
    contact = after(*told)
    shown = facts.winner(contact, PHONE)
    assert contact.phone == ((shown[1]["v"] if shown else "") or "")


@given(histories())
def test_telling_everything_twice_changes_nothing_the_second_time(told: list[Fact]) -> None:
    contact = after(*in_order_of_each_object(told))
    seen = contact.phone
    # What is told again is told of the objects held, and of those only the newest state is.
    newest = {(one.slot, one.object_id): one for one in sorted(told, key=_time)}
    for one in newest.values():
        facts.offer(contact, one)
    assert contact.phone == seen


def test_a_newer_fact_wins_and_an_older_one_changes_nothing() -> None:
    contact = after(fact("new", at=9))
    assert facts.offer(contact, fact("old", at=1)) is None
    assert facts.offer(contact, fact("newer", at=10)) == facts.Change(PHONE, "new", "newer")
    assert contact.phone == "newer"


def test_an_object_that_lost_its_value_lets_the_next_best_fact_show() -> None:
    contact = after(fact("from the charge", 1, "stripe:charge", "ch_1"), fact("from the customer", 2))
    assert contact.phone == "from the customer"
    facts.offer(contact, fact(None, at=3))
    assert contact.phone == "from the charge"


def test_an_empty_charge_says_nothing_about_another_charge() -> None:
    contact = after(fact("1", 1, "stripe:charge", "ch_1"))
    assert facts.offer(contact, fact("", 5, "stripe:charge", "ch_2")) is None
    assert contact.phone == "1"


def test_an_emptied_field_stays_empty_when_a_person_emptied_it() -> None:
    contact = after(fact("1", 1), fact(None, 5, facts.USER_SLOT, "7"))
    assert contact.phone == ""
    facts.offer(contact, fact("2", 3))
    assert contact.phone == ""


def test_only_if_empty_fills_an_empty_field_and_leaves_a_filled_one() -> None:
    contact = after(fact("1", 1, if_empty=True))
    assert contact.phone == "1"
    facts.offer(contact, fact("2", 9, "stripe:charge", "ch_1", if_empty=True))
    assert contact.phone == "1"


def test_a_long_value_is_cut_to_its_column() -> None:
    assert after(fact("5" * 300)).phone == "5" * 100


def test_a_false_and_a_zero_are_values() -> None:
    for value in (False, 0):
        contact = Contact()
        found = facts.offer(contact, Fact("field:paid", value, START, "stripe:customer:cus_1"))
        assert found == facts.Change("field:paid", None, value)
        assert contact.custom == {"paid": value}
