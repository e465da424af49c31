"""What fits into a field; addresses and names as people write them."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.fields import Field, FieldType
from contacts.email import clean_email, email_key
from contacts.fields import LONGEST_TEXT, coerce
from contacts.names import split_name


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("text", ["Pro", "Basic"], "Pro, Basic"),
        ("text", "a\x00b\ud800", "a\ufffdb\ufffd"),
        ("text", True, "yes"),
        ("text", "x" * 9999, "x" * LONGEST_TEXT),
        ("number", " 12 ", 12),
        ("number", "12.5", 12.5),
        ("number", ["7"], 7),
        ("number", Decimal("1.0"), 1),
        ("boolean", "Yes", True),
        ("boolean", "0", False),
        ("date", 1763719200, "2025-11-21"),
        ("date", "2026-11-21", "2026-11-21"),
        ("datetime", datetime(2026, 11, 21, 10, tzinfo=UTC), "2026-11-21T10:00:00Z"),
        ("datetime", "2026-11-21T12:00:00+02:00", "2026-11-21T10:00:00Z"),
        ("datetime", "0500-01-01", "0500-01-01T00:00:00Z"),
        ("datetime", "9999-12-31T23:59:59.5Z", "9999-12-31T23:59:59Z"),
        ("text", datetime(500, 1, 1, tzinfo=UTC), "0500-01-01T00:00:00Z"),
        ("choice", "M", "M"),
        ("email", " Ana@Example.com ", "Ana@Example.com"),
    ],
)
def test_a_value_is_stored_by_the_type_of_its_field(kind: str, value: Any, stored: Any) -> None:
    found = coerce(value, Field("f", "F", FieldType(kind), choices=("S", "M")))
    assert found == stored
    assert type(found) is type(stored)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", "many"),
        ("number", "nan"),
        ("number", "1e99"),
        ("number", True),
        ("boolean", "perhaps"),
        ("date", "yesterday"),
        ("date", 10**30),
        ("datetime", "9999-12-31T23:59:59-05:00"),
        ("datetime", "0001-01-01T00:00:00+10:00"),
        ("choice", "XL"),
        ("email", "nonsense"),
        ("email", ["a@example.com", "b@example.com"]),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_words(kind: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        coerce(value, Field("f", "F", FieldType(kind), choices=("S", "M")))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        (datetime(2026, 11, 21, 23, 30, tzinfo=UTC), "2026-11-22"),
        (1795303800, "2026-11-22"),
        (date(2026, 11, 21), "2026-11-21"),
        ("2026-11-21", "2026-11-21"),
        ("2026-11-21T23:30:00Z", "2026-11-21"),
    ],
)
def test_a_moment_falls_on_the_day_that_pages_show(settings: Any, value: Any, day: str) -> None:
    """A trial that ends at half past eleven in Greenwich ends on the next day in Berlin. What is written as a day is
    that day.
    """
    settings.TIME_ZONE = "Europe/Berlin"
    assert coerce(value, Field("f", "F", FieldType.DATE)) == day


@given(st.datetimes(timezones=st.timezones()) | st.dates())
def test_a_stored_date_can_be_read_again(value: Any) -> None:
    """Whatever date somebody writes into metadata, at either end of the calendar and in any zone."""
    for kind in (FieldType.DATE, FieldType.DATETIME):
        try:
            stored = coerce(value.isoformat(), Field("f", "F", kind))
        except ValueError:
            continue
        assert coerce(stored, Field("f", "F", kind)) == stored


# A busy machine draws slowly, which says nothing of what is tested.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(set(FieldType))), ANYTHING)
def test_whatever_comes_fits_or_is_refused_and_never_stops_the_sync(kind: FieldType, value: Any) -> None:
    try:
        coerce(value, Field("f", "F", kind, choices=("S", "M")))
    except ValueError as refused:
        assert str(refused)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ana@Example.COM", "ana@example.com"),
        (" ana@example.com\n", "ana@example.com"),
        ("ana@BÜCHER.example", "ana@xn--bcher-kva.example"),
        ("ａｎａ@example.com", "ana@example.com"),
    ],
)
def test_addresses_that_people_take_for_one_have_one_key(one: str, other: str) -> None:
    assert email_key(one) == email_key(other)


@given(st.emails())
def test_a_key_is_its_own_key(address: str) -> None:
    try:
        key = email_key(address)
    except ValueError:
        return
    assert email_key(key) == key
    assert email_key(clean_email(address)) == key


@given(st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert "@" in clean_email(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "a@", "@b.co", "a b@c.de", "a@b..co", "a@" + "b" * 400, "a\x00@b.co\ud800", "éva@example.com"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an email address"):
        clean_email(text)


@pytest.mark.parametrize(
    ("full", "first", "last"),
    [
        ("Ada de la Cruz", "Ada", "de la Cruz"),  # A058
        ("Ana María López García", "Ana", "María López García"),
        ("  Cher ", "Cher", ""),
        ("", "", ""),
        ("Dr. Ada Lovelace", "Dr. Ada", "Lovelace"),
        ("Lovelace, Ada", "Ada", "Lovelace"),
    ],
)
def test_a_name_is_split_into_first_and_last(full: str, first: str, last: str) -> None:
    """A058"""
    assert split_name(full) == (first, last)


@given(st.text(max_size=400))
def test_nothing_of_a_name_is_lost(full: str) -> None:
    """A058: middle names, suffixes and whatever people type stay, in some order."""
    first, last = split_name(full)
    letters = sorted(letter for letter in full if letter.isalnum())
    assert sorted(letter for letter in first + last if letter.isalnum()) == letters
