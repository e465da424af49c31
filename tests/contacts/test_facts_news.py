"""What `is_news` calls no news changes nothing of a contact, whatever was told before (property)."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contacts import facts
from contacts.facts import Fact
from contacts.models import Contact

SLOTS = (facts.USER_SLOT, "stripe:customer:cus_1", "stripe:charge")
FIELDS = ("phone", "first_name", "field:plan")
# Longer than the column, shorter but the same when cut, of another type, and nothing in three ways.
VALUES = ("", None, [], "1", "2", 1, True, ["1"], "x" * 300, "x" * 301)


def fact(
    value: Any, field: str = "phone", second: int = 0, slot: str = SLOTS[1], object_id: str = "a", **more: Any
) -> Fact:
    return Fact(field, value, datetime.fromtimestamp(second, UTC), slot, object_id, **more)


FACTS = st.builds(
    fact,
    st.sampled_from(VALUES),
    st.sampled_from(FIELDS),
    st.integers(0, 2),
    st.sampled_from(SLOTS),
    st.sampled_from("ab"),
    log=st.none() | st.integers(1, 3),
    if_empty=st.booleans(),
)


def told(contact: Contact) -> Any:
    """All that the contact says, but for which of two equal facts said it: the log row of the first may stay."""
    held = {
        field: {slot: (one["t"], one["id"], one["v"] or None) for slot, one in slots.items()}
        for field, slots in contact.facts.items()
    }
    return held, {field: contact.value(field) for field in FIELDS}


@hypothesis_settings(max_examples=1500, deadline=None, derandomize=True)
@example(before=[fact("1")], phone="", last=fact("1", log=2))
@example(before=[fact("1")], phone="", last=fact("", second=1, object_id="b"))
@given(before=st.lists(FACTS, max_size=8), phone=st.sampled_from(["", "0"]), last=FACTS)
def test_what_is_no_news_changes_nothing(before: list[Fact], phone: str, last: Fact) -> None:
    contact = Contact(phone=phone)
    for one in before:
        facts.offer(contact, one)
    if facts.is_news(contact, last):
        return
    then = deepcopy(told(contact))
    assert facts.offer(contact, last) is None
    assert told(contact) == then
