"""Many rows in one statement: arrays in binary form, unnested by PostgreSQL.

For the few tables that every event writes. Against `bulk_update` (one CASE per row and column) it costs a fiftieth,
against `bulk_create` a third; see bench/README.md. Everywhere else the ORM is the right tool.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

import psycopg
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models.base import ModelState
from django.db.models.expressions import DatabaseDefault
from psycopg.types.json import set_json_loads

from common.arrays import Array, array
from common.json_text import JSONTextField, dumps, leave_unread
from common.text import loads

# For jsonb in binary form, which nobody but `execute` asks for.
set_json_loads(loads)

Row = TypeVar("Row", bound=models.Model)
Column = list[Any]
# The type of an array's elements by the kind of field. What is not named here is sent as text and cast.
_SENT = {
    "AutoField": "int4",
    "BigAutoField": "int8",
    "BigIntegerField": "int8",
    "PositiveBigIntegerField": "int8",
    "IntegerField": "int4",
    "PositiveIntegerField": "int4",
    "SmallIntegerField": "int2",
    "PositiveSmallIntegerField": "int2",
    "BooleanField": "bool",
    "DateTimeField": "timestamptz",
    "DateField": "date",
    "BinaryField": "bytea",
}


def insert(rows: Sequence[Row], *, conflict: str = "", told: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    """Insert unsaved rows of one model, in this order; they have their primary keys afterwards.

    `conflict`: an ON CONFLICT clause; with one, the primary keys stay unknown, and what is returned are the `told`
    columns of the rows that were written. A field with a database default that
    no row has a value for is left to the database. IntegrityError as the ORM raises it.
    """
    if not rows:
        return []
    model = type(rows[0])
    fields = [field for field in model._meta.concrete_fields if not _left_to_database(field, rows)]
    statement = _insert(model, tuple(field.attname for field in fields), conflict, told)
    found = execute(statement, [_column(field, rows) for field in fields])
    for row, (pk,) in zip(rows, [] if conflict else found, strict=not conflict):
        row.pk = pk
    for row in rows:
        row._state.adding = False
    return found


def update(rows: Sequence[Row], names: Iterable[str]) -> None:
    """Write these fields of saved rows of one model. Lock the rows first, in order."""
    if not rows:
        return
    model = type(rows[0])
    fields = [model._meta.pk, *(_field(model, name) for name in sorted(set(names)))]
    execute(_update(model, tuple(field.attname for field in fields)), [_column(field, rows) for field in fields])


def made(model: type[Row], **values: Any) -> Row:
    """An unsaved row as `model(**values)` makes it, for keys as the database names them (`contact_id`).

    Django's own way asks each field for its default, five times as long for rows that are made by the thousand.
    """
    row = model.__new__(model)
    row._state = ModelState()
    constants, callables = _defaults(model)
    row.__dict__.update(constants)
    for name, default in callables:
        if name not in values:
            row.__dict__[name] = default()
    row.__dict__.update(values)
    return row


def read(wanted: models.QuerySet[Row]) -> list[Row]:
    """The rows a query names, whole, as the ORM would make them: no annotations, nothing deferred or joined in.

    The ORM reads each time from text and gives each value to `__init__`, which every event would pay for; see
    bench/README.md.
    """
    try:
        statement, parameters = wanted.query.sql_with_params()
    except EmptyResultSet:
        return []
    return built(wanted.model, statement, parameters)


def built(model: type[Row], statement: str, parameters: Sequence[Any]) -> list[Row]:
    """Saved rows of a model from a statement that returns its `columns` in order."""
    names = [field.attname for field in model._meta.concrete_fields]
    found = execute(statement, parameters)
    if connection.queries_logged:
        # Where the ORM's own questions are looked at, these are too.
        told = [list(one.values) if isinstance(one, Array) else one for one in parameters]
        written = psycopg.ClientCursor(connection.connection).mogrify(statement.replace("%b", "%s"), told)
        connection.queries_log.append({"sql": written, "time": "0"})
    made = [_saved(model, names, values) for values in found]
    for name in _written_as_text(model):
        for row in made:
            leave_unread(row, name)
    return made


@cache
def _written_as_text(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields if isinstance(field, JSONTextField)]


def columns(model: type[models.Model], table: str) -> str:
    """All columns of a model as `built` wants them: 't."id", t."name"'."""
    return ", ".join(f'{table}."{field.column}"' for field in model._meta.concrete_fields)


def _saved(model: type[Row], names: Sequence[str], values: Sequence[Any]) -> Row:
    row = model.__new__(model)
    row._state = ModelState()
    row._state.adding, row._state.db = False, "default"
    row.__dict__.update(zip(names, values, strict=True))
    return row


@cache
def _defaults(model: type[models.Model]) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    fresh = model()
    named = {field.attname: field for field in model._meta.concrete_fields}
    # A field without a default has a class in its place, which could be called as well.
    callables = [(n, f.get_default) for n, f in named.items() if f.has_default() and callable(f.default)]
    moving = {name for name, _ in callables}
    return {name: getattr(fresh, name) for name in named if name not in moving}, callables


def execute(statement: str, columns: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement whose parameters are sent in binary form where it says `%b`. Rows it returns, if any.

    What it returns comes in binary form as well, because Django has times in text read by Python, not by the driver's
    C; values of jsonb columns come as parsed JSON.
    """
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, columns, binary=True)
        return cursor.fetchall() if cursor.description else []


def arrays(*types: str) -> str:
    """The arguments of `unnest` for parallel arrays of these element types: "%b::text[], %b::int8[]"."""
    return ", ".join(f"%b::{type_}[]" for type_ in types)


def literal(values: Iterable[str]) -> str:
    """A list of texts as PostgreSQL writes an array: unnest would flatten one inside another."""
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


@cache
def _insert(model: type[models.Model], names: tuple[str, ...], conflict: str, told: tuple[str, ...]) -> str:
    fields = [_field(model, name) for name in names]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(f"c{place}::{_type(field)}" for place, field in enumerate(fields))
    wanted = told if conflict else (model._meta.pk.column,)
    returned = "returning " + ", ".join(f'"{column}"' for column in wanted) if wanted else ""
    return (
        f'insert into "{model._meta.db_table}" ({columns}) select {values} '  # noqa: S608  names of our own models
        f"from unnest({_unnested(fields)}) as v({_names(fields)}) {conflict} {returned}"
    )


@cache
def _update(model: type[models.Model], names: tuple[str, ...]) -> str:
    fields = [_field(model, name) for name in names]
    key = f"c0::{_type(fields[0])}"
    values = ", ".join(f'"{f.column}" = v.c{place}::{_type(f)}' for place, f in enumerate(fields) if place)
    return (
        f'update "{model._meta.db_table}" as t set {values} '  # noqa: S608
        f'from unnest({_unnested(fields)}) as v({_names(fields)}) where t."{fields[0].column}" = v.{key}'
    )


def _unnested(fields: Sequence[models.Field[Any, Any]]) -> str:
    return arrays(*(_sent(field) for field in fields))


def _names(fields: Sequence[models.Field[Any, Any]]) -> str:
    return ", ".join(f"c{place}" for place in range(len(fields)))


def _field(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    return next(field for field in model._meta.concrete_fields if name in (field.name, field.attname))


def _sent(field: models.Field[Any, Any]) -> str:
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    return _SENT.get(target.get_internal_type(), "text")


def _type(field: models.Field[Any, Any]) -> str:
    return str(field.cast_db_type(connection) or field.db_type(connection))


def _left_to_database(field: models.Field[Any, Any], rows: Sequence[models.Model]) -> bool:
    values = (getattr(row, field.attname) for row in rows)
    if field.primary_key:
        return all(value is None for value in values)
    return field.has_db_default() and all(isinstance(value, DatabaseDefault) for value in values)


def _column(field: models.Field[Any, Any], rows: Sequence[models.Model]) -> Array:
    return array(_sent(field), _values(field, rows))


_AS_IS = {str, type(None)}


def _values(field: models.Field[Any, Any], rows: Sequence[models.Model]) -> Column:
    values = list(map(attrgetter(field.attname), rows))
    if isinstance(field, models.JSONField | JSONTextField):
        return [None if value is None else dumps(value) for value in values]
    if isinstance(field, ArrayField):
        return [None if value is None else literal(value) for value in values]
    if _sent(field) == "text":
        if set(map(type, values)) <= _AS_IS:
            return values
        return [value if value is None or isinstance(value, str) else str(value) for value in values]
    if isinstance(field, models.DateTimeField) and (field.auto_now or field.auto_now_add):
        # Only where nothing is set: who calls knows whether a reader sees a difference.
        return [field.pre_save(row, add=True) if v is None else v for row, v in zip(rows, values, strict=True)]
    return values
