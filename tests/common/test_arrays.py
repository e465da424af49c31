"""Arrays packed here are what PostgreSQL takes them for."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import DataError

from common import rows
from common.arrays import array

pytestmark = pytest.mark.django_db
VALUES: dict[str, list[Any]] = {
    "text": ["", "plain", 'a "quoted" word', "back\\slash", "NULL", "línea\nnueva 🙂", "{x,y}"],
    "int2": [0, -1, 32_767, -32_768],
    "int4": [0, -1, 2**31 - 1, -(2**31)],
    "int8": [0, -1, 2**63 - 1, -(2**63)],
    "bool": [True, False],
    "timestamptz": [
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 2, 0, 0, 0, 1, tzinfo=UTC),
        datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 3, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
    "date": [date(2000, 1, 1), date(1, 1, 1), date(9999, 12, 31), date(2028, 2, 29)],
    "bytea": [b"", b"\0\xff{}", b"x" * 70_000],
}


def read_back(type_: str, values: list[Any]) -> list[Any]:
    statement = f"select v from unnest(%b::{type_}[]) with ordinality as t(v, place) order by place"
    return [value for (value,) in rows.execute(statement, [array(type_, values)])]


@pytest.mark.parametrize("type_", VALUES)
def test_values_come_back_as_they_were(type_: str) -> None:
    values = VALUES[type_]
    assert read_back(type_, values) == values
    assert read_back(type_, [None, *values, None]) == [None, *values, None]
    assert read_back(type_, []) == []
    assert read_back(type_, [None]) == [None]


def test_text_may_be_encoded_already() -> None:
    assert read_back("text", ["{}", '{"a": "ü"}'.encode()]) == ["{}", '{"a": "ü"}']


@pytest.mark.parametrize(
    ("type_", "value"), [("int2", 2**15), ("int8", 2**63), ("int4", "1"), ("text", 1), ("timestamptz", "2026-01-01")]
)
def test_what_is_not_of_the_type_is_refused_before_it_is_sent(type_: str, value: Any) -> None:
    with pytest.raises((struct.error, TypeError)):
        array(type_, [value])


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        array("timestamptz", [datetime(2026, 1, 1)])


def test_text_that_postgresql_cannot_hold_is_its_error() -> None:
    with pytest.raises(DataError):
        read_back("text", ["nul\0"])
