"""The contact that a real record would make under the rows as they stand. Reads contacts, writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext

from common.fields import Field, FieldType
from common.templatetags.ui import day, moment
from connections import mapping
from connections.mapping_rows import Row, whole
from connections.models import Connection
from connections.sources.base import HeldObject, Json, View
from connections.sources.stripe import fields as source
from connections.sources.stripe import shapes, translate
from connections.telling import TAG
from contacts.email import email_key
from contacts.facts import Fact
from contacts.fields import NAME, coerce
from contacts.models import Contact, Identity

_TEXT = Field("text", "Text")
_LONGEST = 120
Targets = dict[str, Field]


@dataclass(frozen=True)
class Line:
    """A contact field as it would be. `warning`: why the value does not fit; `kept`: the contact has one already."""

    key: str
    label: str
    text: Any
    warning: str = ""
    kept: bool = False


@dataclass
class Preview:
    """`contact` is the one that would be updated, if there is one."""

    name: str = ""
    email: str = ""
    email_warning: str = ""
    lines: list[Line] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    contact: Contact | None = None

    @property
    def skipped(self) -> bool:
        return not self.email and self.contact is None


def sample(body: Json, asked_at: datetime, more: list[Json]) -> Json:
    """A record as a draft keeps it: the object, and those around it by key. `more`: objects fetched besides."""
    told = translate.from_row(body, asked_at)
    around = [state.body for state in told.states[1:]] + more
    return {
        "object": told.states[0].body,
        "held": {f"{shapes.object_type(one)}:{one['id']}": one for one in around if isinstance(one.get("id"), str)},
    }


def view_of(kind: str, kept: Json) -> View:
    """A kept record as mapping reads it."""
    now = datetime.now(UTC)
    held = {
        key: HeldObject(shapes.object_type(body), body["id"], now, body, gone=body.get("deleted") is True)
        for key, body in kept["held"].items()
    }
    body = kept["object"]
    return View(kind, HeldObject(shapes.object_type(body), shapes.text(body.get("id")), now, body), held)


def customer_of(view: View) -> Json | None:
    """The customer behind a record, as far as the draft holds it."""
    held = view.held.get(f"customer:{shapes.customer_id(view.own.body)}")
    return view.own.body if view.own.type == "customer" else held.body if held else None


def example(views: list[View], keys: list[str]) -> str:
    """The first real value of a source in these records, as text. "" if none of them has one."""
    for view in views:
        for key in keys:
            if found := source.read(view, key):
                return str(coerce(found.value, _TEXT))[:_LONGEST]
    return ""


def names(view: View, row: Row, targets: Targets) -> tuple[str, str] | None:
    """First and last name a row would write; None for rows that write something else."""
    if row["to"] != NAME or not row["from"]:
        return None
    told = {fact.field: str(fact.value or "") for fact in mapping.apply([row], view, targets).facts}
    return told.get("first_name", ""), told.get("last_name", "")


def contact_of(connection: Connection, rows: list[Row], view: View, targets: Targets, events: list[str]) -> Preview:
    """What would become of a contact, row by row, so that a value that does not fit is shown at its field."""
    preview = Preview(tags=[TAG, *(f"{TAG}-{event}" for event in events[:1])])
    customer = shapes.customer_id(view.own.body)
    mapped = [(row, mapping.apply([row], view, targets)) for row in whole(rows) if row["to"] in targets]
    email = next((one.email for _, one in mapped if one.email), None)
    preview.email = str(email.value) if email else ""
    preview.contact = _existing(connection, customer, preview.email)
    parts = {"first_name": "", "last_name": ""}
    for row, one in mapped:
        target = targets[row["to"]]
        warning = _words(one.warnings, target)
        if row["to"] == "email":
            preview.email_warning = warning
            continue
        for fact in one.facts:
            line = _line(fact, targets, preview.contact)
            if fact.field in parts:
                parts[fact.field] = str(line.text)
            elif not one.warnings and not any(told.key == line.key for told in preview.lines):
                preview.lines.append(line)
        if warning:
            preview.lines.append(Line(row["to"], target.label, "", warning))
    preview.name = " ".join(part for part in parts.values() if part)
    return preview


def _line(fact: Fact, targets: Targets, contact: Contact | None) -> Line:
    target = targets[fact.field]
    there = contact.value(fact.field) if contact else None
    kept = fact.if_empty and there not in (None, "", [])
    return Line(fact.field, target.label, _shown(there if kept else fact.value, target), kept=kept)


def _existing(connection: Connection, customer: str, email: str) -> Contact | None:
    """As contacts are matched when an event comes: by customer, then by address."""
    mode = {"is_test": connection.is_test}
    if customer:
        known = Identity.objects.filter(
            source=connection.source, account=connection.account, external_id=customer, **mode
        ).select_related("contact")
        if identity := known.first():
            return identity.contact
    if not email:
        return None
    found = Contact.objects.filter(email_key=email_key(email), **mode).select_related("merged_into").first()
    return (found.merged_into or found) if found else None


def _words(warnings: list[str], target: Field) -> str:
    """Without the row's number: here each warning stands at its field."""
    return " ".join(text.removeprefix(f"Row 1, {target.label}: ") for text in warnings)


def _shown(value: Any, target: Field) -> Any:
    if value in (None, "", []):
        return ""
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    if target.type == FieldType.DATETIME:
        return moment(datetime.fromisoformat(str(value)))
    if target.type == FieldType.DATE:
        return day(datetime.fromisoformat(str(value)).date())
    return str(value)[:_LONGEST]
