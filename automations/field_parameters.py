"""Parameters about fields: one of a catalogue, a value for it, a date, conditions, and a mapping to elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from automations.parameters import Parameter
from common.fields import Field, FieldType, catalogue
from segments import conditions, words


@dataclass(frozen=True, kw_only=True)
class CatalogueField(Parameter):
    """A field of a catalogue ("contact", "recurring_payment", "order"), of the types given (all by default)."""

    kind: ClassVar[str] = "field"
    catalogue: str
    types: tuple[FieldType, ...] = ()
    only: tuple[str, ...] = ()

    def fields(self) -> dict[str, Field]:
        found = catalogue(self.catalogue)
        return {
            key: field
            for key, field in found.items()
            if (not self.types or field.type in self.types) and (not self.only or key in self.only)
        }

    def _clean(self, value: Any) -> str:
        if value not in self.fields():
            raise ValueError("Choose a field of the list.")
        return str(value)

    def words(self, value: Any) -> str:
        field = self.fields().get(value)
        return field.label if field else str(value or "")


@dataclass(frozen=True, kw_only=True)
class FieldValue(Parameter):
    """A value for the field that the parameter `of` names, checked and stored as that field stores it."""

    kind: ClassVar[str] = "field_value"
    of: str
    catalogue: str


@dataclass(frozen=True, kw_only=True)
class DateField(CatalogueField):
    """A date of the contact or of the recurring payment: "contact.field:birthday", "recurring_payment.trial_end_date".

    `brought` narrows it to what the trigger brings; see `checking`.
    """

    kind: ClassVar[str] = "date_field"
    catalogue: str = ""
    catalogues: tuple[str, ...] = ("recurring_payment", "contact")

    def fields(self) -> dict[str, Field]:
        return {
            f"{name}.{key}": field
            for name in self.catalogues
            for key, field in catalogue(name).items()
            if field.type in (FieldType.DATE, FieldType.DATETIME)
        }

    def words(self, value: Any) -> str:
        field = self.fields().get(value)
        about = "recurring payment’s " if str(value).startswith("recurring_payment.") else "contact’s "
        return about + field.label.lower() if field else str(value or "")


@dataclass(frozen=True, kw_only=True)
class Conditions(Parameter):
    """A segment's tree. `scope` "contact", or "recurring_payment" for flat conditions on its own fields."""

    kind: ClassVar[str] = "conditions"
    scope: str = "contact"

    def _clean(self, value: Any) -> Any:
        try:
            group = conditions.parse(value, self.scope)
        except conditions.ConditionError as error:
            raise ValueError(str(error)) from error
        if not group.items:
            if self.required:
                raise ValueError("Add at least one condition.")
            return None
        return conditions.as_json(group)

    def words(self, value: Any) -> str:
        return words.describe(conditions.parse(value, self.scope)) if value else ""


@dataclass(frozen=True, kw_only=True)
class Mapping(Parameter):
    """[{"from": "contact.email", "to": "email"}]: fields of ours to names elsewhere. `needs`: names that must be there.

    Sources are the catalogue's keys with the name of the catalogue before them.
    """

    kind: ClassVar[str] = "mapping"
    catalogues: tuple[str, ...] = ("contact", "recurring_payment", "order")
    needs: tuple[str, ...] = ()

    def fields(self) -> dict[str, Field]:
        return {f"{name}.{key}": field for name in self.catalogues for key, field in catalogue(name).items()}

    def _clean(self, value: Any) -> list[dict[str, str]]:
        known = self.fields()
        rows = [{"from": str(row.get("from", "")), "to": str(row.get("to", "")).strip()} for row in value]
        rows = [row for row in rows if row["from"] or row["to"]]
        for row in rows:
            if row["from"] not in known:
                raise ValueError("Choose a field in each row.")
            if not row["to"] or len(row["to"]) > 150:
                raise ValueError("Name what each field is called there.")
        names = [row["to"] for row in rows]
        if len(set(names)) < len(names):
            raise ValueError("Each name can be used once.")
        if missing := [name for name in self.needs if name not in names]:
            raise ValueError(f"A row for {', '.join(missing)} is needed.")
        return rows

    def words(self, value: Any) -> str:
        return ", ".join(row["to"] for row in value or [])
