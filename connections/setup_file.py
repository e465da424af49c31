"""The setup file: what somebody wants connected, read and checked before anything changes. Shape: docs/contract.md."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from common.encryption import Secret
from common.fields import Field, FieldType
from connections.models import Connection, Resource
from connections.setup_reading import Path, Reading, Refused, Table, line_of, meant, parse
from connections.sources.stripe import events, fields
from contacts.fields import targets
from contacts.models import CustomField

Row = dict[str, Any]
_TOP = ("connection", "field")
_CONNECTION = ("source", "name", "key_env", "delivery", "resource")
_RESOURCE = ("kind", "sync", "data", "events", "map")
_ROW = ("from", "to", "write")
_FIELD = ("key", "label", "type", "choices")
_WRITES = ("always", "if_empty")
_LOOKS_LIKE_KEY = re.compile(r"^(sk|rk|pk|rkcs|whsec)_")


@dataclass(frozen=True)
class WantedResource:
    """What is None stays as it is, or takes its default where the resource is new."""

    path: Path
    kind: str
    sync: str | None
    data: str | None
    events: list[str] | None
    rows: list[Row]


@dataclass(frozen=True)
class WantedConnection:
    """`label` names the entry in messages until the account is known."""

    path: Path
    label: str
    name: str
    key: Secret
    delivery: str | None
    resources: tuple[WantedResource, ...]


@dataclass(frozen=True)
class Plan:
    """A whole file. `fields` are not stored yet; those that exist already are left out."""

    text: str
    fields: tuple[CustomField, ...]
    connections: tuple[WantedConnection, ...]

    def line(self, path: Path) -> int:
        return line_of(self.text, path)


def read(text: str, environment: Mapping[str, str]) -> Plan:
    """The file's wishes. Refused, with every mistake and its line, if there is any; `environment` holds the keys."""
    content = parse(text)
    reading = Reading(text)
    top = reading.table(content, (), _TOP)
    new = [_field(reading, path, entry) for path, entry in reading.tables(top, (), "field")]
    made = {field.target: Field(field.target, field.label, FieldType(field.type)) for field in new if field}
    known = targets() | made
    connections = [
        _connection(reading, path, entry, environment, known) for path, entry in reading.tables(top, (), "connection")
    ]
    if not content:
        reading.wrong((), "The file names nothing. It needs a [[connection]].")
    if reading.problems:
        raise Refused(reading.problems)
    exists = set(CustomField.objects.values_list("key", flat=True))
    return Plan(text, tuple(f for f in new if f and f.key not in exists), tuple(c for c in connections if c))


def _field(reading: Reading, path: Path, entry: Any) -> CustomField | None:
    before = len(reading.problems)
    table = reading.table(entry, path, _FIELD)
    key = reading.words(table, path, "key")
    field = CustomField(
        key=key,
        label=reading.words(table, path, "label") or key.replace("_", " ").capitalize(),
        type=reading.choice(table, path, "type", CustomField.Type.values) or CustomField.Type.TEXT,
        choices=reading.listed(table, path, "choices") or [],
    )
    if len(reading.problems) > before:
        return None
    if not key:
        reading.wrong(path, "This field has no “key”.")
    elif field.type == CustomField.Type.CHOICE and not field.choices:
        reading.wrong(path, f"The field “{key[:60]}” is a choice and needs “choices”.")
    else:
        _clean(reading, path, field)
    return field if len(reading.problems) == before else None


def _clean(reading: Reading, path: Path, field: CustomField) -> None:
    try:
        field.clean_fields()
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            reading.wrong((*path, name), f"{name}: {' '.join(messages)}")


def _connection(
    reading: Reading, path: Path, entry: Any, environment: Mapping[str, str], known: Mapping[str, Field]
) -> WantedConnection | None:
    label = _named(entry, "name") or f"connection {int(path[-1]) + 1}"
    reading.connection = label
    table = reading.table(entry, path, _CONNECTION)
    name = reading.words(table, path, "name")
    reading.choice(table, path, "source", ("stripe",))
    if len(name) > 200:
        reading.wrong((*path, "name"), "A name has at most 200 characters.")
    key = _key(reading, table, path, environment)
    delivery = reading.choice(table, path, "delivery", Connection.Delivery.values)
    resources = [_resource(reading, at, one, known) for at, one in reading.tables(table, path, "resource")]
    _once(reading, [(one.path, one.kind) for one in resources if one], "The resource {} stands in this entry twice.")
    reading.connection = None
    found = tuple(one for one in resources if one)
    return WantedConnection(path, label, name, Secret(key), delivery, found) if key else None


def _named(entry: Any, key: str) -> str:
    """What an entry calls itself, for messages, before it is checked."""
    found = entry.get(key) if isinstance(entry, dict) else ""
    return found[:200] if isinstance(found, str) else ""


def _key(reading: Reading, table: Table, path: Path, environment: Mapping[str, str]) -> str:
    variable = reading.words(table, path, "key_env")
    if not variable:
        if not isinstance(table.get("key_env", ""), str):
            return ""
        reading.wrong(path, "“key_env” is missing: the name of the variable that holds the key.")
        return ""
    if _LOOKS_LIKE_KEY.match(variable):
        reading.wrong(
            (*path, "key_env"),
            "“key_env” is the name of an environment variable, not the key itself. Keep the key out of the file.",
        )
        return ""
    key = environment.get(variable, "").strip()
    if not key:
        reading.wrong((*path, "key_env"), f"The environment variable {variable[:60]} is not set.")
    return key


def _resource(reading: Reading, path: Path, entry: Any, known: Mapping[str, Field]) -> WantedResource | None:
    reading.resource = _named(entry, "kind") or None
    table = reading.table(entry, path, _RESOURCE)
    kind = reading.choice(table, path, "kind", Resource.Kind.values)
    if kind is None:
        if "kind" not in table:
            reading.wrong(path, f"“kind” is missing: {', '.join(Resource.Kind.values)}.")
        reading.resource = None
        return None
    sync = reading.choice(table, path, "sync", Resource.Sync.values)
    data = reading.choice(table, path, "data", Resource.Data.values)
    types = _events(reading, table, path, kind)
    rows = [(at, _row(reading, at, one, kind, known)) for at, one in reading.tables(table, path, "map")]
    kept = [(at, row) for at, row in rows if row]
    _once(
        reading,
        [(at, row["to"]) for at, row in kept],
        "{} is filled by a row above already. To try several fields, list them in “from”.",
    )
    if len(kept) == len(rows) and not any(row["to"] == "email" for _, row in kept):
        reading.wrong(path, 'The resource has no row for the email address. Add one: from = "email", to = "email".')
    reading.resource = None
    # The email comes first wherever mappings are shown.
    ordered = sorted((row for _, row in kept), key=lambda row: row["to"] != "email")
    return WantedResource(path, kind, sync, data, types, ordered)


def _events(reading: Reading, table: Table, path: Path, kind: str) -> list[str] | None:
    chosen = reading.listed(table, path, "events")
    offered = [event.type for event in events.offered(kind)]
    for type_ in chosen or []:
        if type_ not in offered:
            reading.wrong(
                (*path, "events"), f"“{type_[:80]}” is no event of the resource {kind}.{meant(type_, offered)}"
            )
    return None if chosen is None else [type_ for type_ in offered if type_ in chosen]


def _row(reading: Reading, path: Path, entry: Any, kind: str, known: Mapping[str, Field]) -> Row | None:
    before = len(reading.problems)
    table = reading.table(entry, path, _ROW)
    keys = _from(reading, table, path, kind)
    to = reading.words(table, path, "to")
    if not to:
        if isinstance(table.get("to", ""), str):
            reading.wrong(path, "“to” is missing: the contact field this row fills.")
    elif to not in known:
        reading.wrong((*path, "to"), _no_target(to, known))
    write = reading.choice(table, path, "write", _WRITES) or "always"
    return {"from": keys, "to": to, "write": write} if len(reading.problems) == before else None


def _from(reading: Reading, table: Table, path: Path, kind: str) -> list[str]:
    value = table.get("from")
    asked = [value] if isinstance(value, str) else reading.listed(table, path, "from")
    if not asked:
        if value is None or value == []:
            reading.wrong(path, "“from” is missing: the Stripe field this row reads.")
        return []
    found = []
    for key in asked:
        canonical = fields.canonical(kind, key.strip())
        if canonical is None:
            reading.wrong((*path, "from"), f"“{key[:80]}” is no field of the resource {kind}.{_close(kind, key)}")
        elif canonical not in found:
            found.append(canonical)
    return found


def _close(kind: str, key: str) -> str:
    offered = [field.key for field in fields.offered(kind, [])]
    short = [one.removeprefix("customer.") for one in offered] if kind == "customer" else []
    return meant(key, offered + short)


def _no_target(to: str, known: Collection[str]) -> str:
    if to.startswith("field:"):
        key = to.removeprefix("field:")[:60]
        hint = meant(to, known) or f' Make it in Settings, or here: [[field]] with key = "{key}".'
        return f"There is no custom field “{key}”.{hint}"
    standard = ", ".join(name for name in known if not name.startswith("field:"))
    return f"“{to[:60]}” is no contact field. Possible: {standard}, or field:<key> of a custom field."


def _once(reading: Reading, found: list[tuple[Path, str]], message: str) -> None:
    seen: set[str] = set()
    for path, word in found:
        if word in seen:
            reading.wrong(path, message.format(f"“{word}”"))
        seen.add(word)
