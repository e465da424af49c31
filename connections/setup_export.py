"""What is connected, written as a setup file that makes it again. Keys are named, never told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from django.db.models import Prefetch

from connections.models import Connection, Resource
from contacts.fields import targets
from contacts.models import CustomField


def written() -> Iterator[str]:
    """The file, line by line."""
    for field in CustomField.objects.all():
        yield from _field(field)
    connections = Connection.objects.connected().prefetch_related(
        Prefetch("resources", Resource.objects.active().select_related("mapping"))
    )
    variables = _variables(list(connections))
    for connection in connections:
        yield from _connection(connection, variables[connection.pk])


def _field(field: CustomField) -> Iterator[str]:
    yield "[[field]]"
    yield _pair("key", field.key)
    yield _pair("label", field.label)
    yield _pair("type", field.type)
    if field.choices:
        yield _pair("choices", field.choices)
    yield ""


def _connection(connection: Connection, variable: str) -> Iterator[str]:
    yield f"# {connection.account}, {'test' if connection.is_test else 'live'} mode"
    yield "[[connection]]"
    yield _pair("source", connection.source)
    yield _pair("name", connection.name)
    yield _pair("key_env", variable)
    yield _pair("delivery", connection.delivery)
    yield ""
    known = set(targets())
    for resource in connection.resources.all():
        yield from _resource(resource, known)


def _resource(resource: Resource, known: set[str]) -> Iterator[str]:
    yield "[[connection.resource]]"
    yield _pair("kind", resource.kind)
    yield _pair("sync", resource.sync)
    yield _pair("data", resource.data)
    yield _pair("events", resource.events)
    for row in resource.mapping.rows if resource.mapping else []:
        if row["to"] in known:
            yield from _row(row)
        else:
            yield _comment(f"left out: {', '.join(row['from'])} to {row['to']}, a field that no longer exists")
    yield ""


def _row(row: dict[str, Any]) -> Iterator[str]:
    yield "[[connection.resource.map]]"
    yield _pair("from", row["from"][0] if len(row["from"]) == 1 else row["from"])
    yield _pair("to", row["to"])
    if row.get("write", "always") != "always":
        yield _pair("write", row["write"])


def _variables(connections: list[Connection]) -> dict[int, str]:
    """A variable's name for the key of each connection, told by its label where there are several."""
    if len(connections) == 1:
        return {connections[0].pk: "STRIPE_KEY"}
    names: dict[int, str] = {}
    for connection in connections:
        label = re.sub(r"[^A-Z0-9]+", "_", connection.name.upper()).strip("_") or "ACCOUNT"
        name = f"STRIPE_KEY_{label}" + ("_TEST" if connection.is_test else "")
        names[connection.pk] = name if name not in names.values() else f"{name}_{connection.pk}"
    return names


def _pair(key: str, value: str | list[str]) -> str:
    text = f"[{', '.join(map(_quoted, value))}]" if isinstance(value, list) else _quoted(value)
    return f"{key} = {text}"


def _quoted(text: str) -> str:
    """A TOML string: JSON's escapes are TOML's, but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return "# " + "".join(letter if letter.isprintable() else " " for letter in text)
