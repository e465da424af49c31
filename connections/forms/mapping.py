"""The rows of step 3: which Stripe field feeds which contact field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.fields import Field, grouped
from connections.mapping_rows import CUSTOMER_ID, Row, arranged, blank
from contacts.fields import NAME

MOST_ROWS = 100
_BETWEEN_KEYS = "|"
_COVERS = {NAME: ("first_name", "last_name")}
Choices = list[tuple[str, Any]]


@dataclass(frozen=True)
class Offer:
    """What may be chosen. `chains`: sources of several keys tried in order, which only a setup file or we write."""

    sources: dict[str, Field]
    targets: dict[str, Field]
    chains: dict[str, list[str]]

    @classmethod
    def of(cls, sources: Iterable[Field], targets: dict[str, Field], rows: Iterable[Row]) -> Offer:
        """The catalogue's fields, and whatever the rows at hand use besides."""
        known = {field.key: field for field in sources}
        chains = {}
        for row in rows:
            for key in row["from"]:
                known.setdefault(key, Field(key, key.rpartition("metadata.")[2], group=gettext("Metadata")))
            if len(row["from"]) > 1:
                chains[_value(row["from"])] = row["from"]
        return cls(known, {key: field for key, field in targets.items() if key != "email"}, chains)

    def keys(self, value: str) -> list[str]:
        return self.chains.get(value) or ([value] if value else [])

    def label(self, value: str) -> str:
        """What a source is called: “Customer name, else Billing name”."""
        labels = [self.sources[key].label for key in self.keys(value)]
        return (
            gettext("%(first)s, else %(then)s") % {"first": labels[0], "then": ", ".join(labels[1:])}
            if len(labels) > 1
            else "".join(labels)
        )

    def source_choices(self) -> Choices:
        chains = [(value, self.label(value)) for value in self.chains]
        several = [(gettext("First that has a value"), chains)] if chains else []
        return [("", gettext("Choose a Stripe field")), *several, *_in_groups(self.sources.values())]

    def target_choices(self, empty: str) -> Choices:
        return [("", empty), *_in_groups(self.targets.values())]


def _in_groups(fields: Iterable[Field]) -> Choices:
    return [(group, [(field.key, field.label) for field in members]) for group, members in grouped(fields).items()]


def _value(keys: list[str]) -> str:
    return _BETWEEN_KEYS.join(keys)


class RowForm(forms.Form):
    """One row. Rows 1 and 2 have one end fixed: the email address, and the Stripe customer ID."""

    source = forms.ChoiceField(required=False, error_messages={"invalid_choice": _("Choose one of the fields listed.")})
    target = forms.ChoiceField(
        required=False, error_messages={"invalid_choice": _("Choose a contact field that exists.")}
    )
    if_empty = forms.BooleanField(required=False, label=_("Only if empty"))

    def __init__(self, offer: Offer, number: int, data: dict[str, Any]) -> None:
        super().__init__(data, prefix=f"row-{number}")
        self.offer, self.number = offer, number
        self.example = self.result = ""
        source, target = self.fields["source"], self.fields["target"]
        source.choices = offer.source_choices()  # type: ignore[attr-defined]
        empty = gettext("Not stored in a field") if self.is_customer_id else gettext("Choose a contact field")
        target.choices = offer.target_choices(empty)  # type: ignore[attr-defined]
        source.widget.attrs["aria-label"] = gettext("Stripe field of row %(number)s") % {"number": number}
        target.widget.attrs["aria-label"] = gettext("Contact field of row %(number)s") % {"number": number}
        if self.is_email:
            del self.fields["target"], self.fields["if_empty"]
        if self.is_customer_id:
            del self.fields["source"]

    @property
    def is_email(self) -> bool:
        return self.number == 1

    @property
    def is_customer_id(self) -> bool:
        return self.number == 2

    @cached_property
    def row(self) -> Row:
        """As stored; ends that are not chosen yet are empty. Read once, as an error takes a value out of the form."""
        source = CUSTOMER_ID if self.is_customer_id else self.cleaned_data.get("source", "")
        target = "email" if self.is_email else self.cleaned_data.get("target", "")
        write = "if_empty" if self.cleaned_data.get("if_empty") else "always"
        return {"from": self.offer.keys(source), "to": target, "write": write}

    @property
    def name(self) -> str:
        """How an error at another row speaks of this one."""
        return self.offer.label(_value(self.row["from"])) or gettext("a row without a Stripe field")


class MappingForm:
    """All rows, bound, with the errors that show between them."""

    def __init__(self, offer: Offer, numbered: Iterable[tuple[int, dict[str, Any]]]) -> None:
        self.rows = [RowForm(offer, number, data) for number, data in numbered]
        self.offer = offer
        self.invalid = [row for row in self.rows if not (row.is_valid() and row.row)]
        self.problems = len(self.invalid)
        self.in_conflict: set[str] = set()
        if not self.invalid:
            self._note_conflicts()

    @classmethod
    def of_rows(cls, offer: Offer, rows: list[Row]) -> MappingForm:
        return cls(offer, [(n, _posted(n, row)) for n, row in enumerate(arranged(rows), start=1)])

    @classmethod
    def of_post(cls, offer: Offer, post: QueryDict) -> MappingForm:
        """Rows as the browser sent them, with `add` and `remove` done. Numbers stay, so that focus does."""
        numbers = sorted({int(number) for number in post.getlist("row") if number.isascii() and number.isdecimal()})
        kept = [n for n in numbers if 2 < n < 10_000 and str(n) != post.get("remove")][:MOST_ROWS]
        data = {n: {key: post.get(key, "") for key in _names(n)} for n in [1, 2, *kept]}
        if post.get("action") == "add" and len(kept) < MOST_ROWS:
            number = max([2, *kept]) + 1
            data[number] = _posted(number, blank())
        return cls(offer, data.items())

    @property
    def errors(self) -> list[Any]:
        """What base templates ask for: is anything wrong?"""
        return [row.errors for row in self.rows if row.errors]

    @property
    def mapped(self) -> int:
        return sum(1 for row in self.rows if not row.errors and row.row["from"] and row.row["to"])

    @property
    def last_number(self) -> int:
        return self.rows[-1].number

    @property
    def problems_in_words(self) -> str:
        return ngettext("%(count)s problem to fix", "%(count)s problems to fix", self.problems) % {
            "count": self.problems
        }

    def focus(self, number: int) -> None:
        """Put the cursor into a row: at its error, else at its first select."""
        row = next((row for row in self.rows if row.number == number), None)
        if row:
            name = next((name for name in row.fields if name in row.errors), next(iter(row.fields)))
            row.fields[name].widget.attrs["autofocus"] = True

    def as_rows(self) -> list[Row]:
        """Every row, finished or not. Only for a form without `invalid` rows."""
        return [row.row for row in self.rows]

    def is_complete(self) -> bool:
        """Could this be saved as a mapping? Notes at each row what it lacks."""
        for row in self.rows:
            values = row.row
            if row.is_email and not values["from"]:
                self._note(row, "source", _("The email address is required: it finds or creates the contact."))
            elif row.number > 2 and values["from"] and not values["to"]:
                self._note(row, "target", _("Choose a contact field, or remove this row."))
            elif row.number > 2 and values["to"] and not values["from"]:
                self._note(row, "source", _("Choose a Stripe field, or remove this row."))
        return not self.errors

    def _note(self, row: RowForm, field: str, sentence: Any) -> None:
        row.add_error(field, sentence)
        self.problems += 1

    def _note_conflicts(self) -> None:
        """A contact field takes one row; first and last name together take both."""
        filled: dict[str, list[RowForm]] = {}
        for row in self.rows:
            for field in _fields(row.row["to"]):
                filled.setdefault(field, []).append(row)
        for first, *others in filled.values():
            for other in others:
                if first.row["to"] in self.in_conflict and other.row["to"] in self.in_conflict and other.errors:
                    continue
                self.problems += 1
                self._note_taken(first, other)
                self._note_taken(other, first)

    def _note_taken(self, row: RowForm, by: RowForm) -> None:
        self.in_conflict.add(row.row["to"])
        if row.errors:
            return
        taken = by.row["to"] if row.row["to"] == NAME else row.row["to"]
        words = {"field": self.offer.targets[taken].label, "other": by.name}
        row.add_error("target", gettext("%(field)s is already filled by “%(other)s”.") % words)


def _fields(target: str) -> Iterator[str]:
    yield from _COVERS.get(target, (target,) if target else ())


def _names(number: int) -> list[str]:
    return [f"row-{number}-{name}" for name in ("source", "target", "if_empty")]


def _posted(number: int, row: Row) -> dict[str, Any]:
    """A stored row as a browser would send it."""
    values = (_value(row["from"]), row["to"], "on" if row.get("write") == "if_empty" else "")
    return dict(zip(_names(number), values, strict=True))
