"""The order of a kind of record's fields, one for the whole workspace: people move them under Settings, Manage data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from django.db import transaction
from django.db.models import Subquery

from common.models import FieldOrder
from common.record_fields import RecordField

Kind = TypeVar("Kind", bound=RecordField)


@dataclass(frozen=True)
class OrderedFields(Generic[Kind]):
    """The fields of one kind of record; those named in `first` lead until somebody says otherwise.

    The details show all of them, the card on the contact the first `on_contact`.
    """

    kind: str
    fields: tuple[Kind, ...]
    first: tuple[str, ...]
    on_contact: int

    @cached_property
    def by_key(self) -> dict[str, Kind]:
        return {field.key: field for field in self.fields}

    def ordered(self) -> list[Kind]:
        """Every field, as the workspace ordered them. One query."""
        held = FieldOrder.objects.filter(pk=self.kind).values_list("keys", flat=True).first()
        return [self.by_key[key] for key in self.complete(held or ())]

    def first_keys(self) -> Subquery:
        """The beginning of the stored order, to ride along with another query; give it to `shown_on_contact`."""
        # More than are shown: fields that are gone may be among them.
        return Subquery(FieldOrder.objects.filter(pk=self.kind).values("keys__0_20"))

    def shown_on_contact(self, keys: Iterable[str] | None) -> list[Kind]:
        """The first fields of an order that begins with these keys."""
        return [self.by_key[key] for key in self.complete(keys or ())[: self.on_contact]]

    def complete(self, keys: Iterable[str]) -> list[str]:
        """Each known key once: those given in their order, then the others as by default. Unknown ones are dropped."""
        return list(dict.fromkeys(key for key in (*keys, *self.first, *self.by_key) if key in self.by_key))

    @transaction.atomic
    def put(self, keys: Iterable[str]) -> list[str]:
        """Replace the whole order; what it is now."""
        order = self._locked()
        order.keys = self.complete(keys)
        order.save()
        return order.keys

    @transaction.atomic
    def move(self, key: str, steps: int) -> list[str]:
        """One field up (-1) or down (+1) from where it stands now, whatever the page showed; what the order is now."""
        order = self._locked()
        keys = self.complete(order.keys)
        if key in keys:
            place = keys.index(key)
            keys.insert(max(0, min(len(keys) - 1, place + steps)), keys.pop(place))
        order.keys = keys
        order.save()
        return keys

    def _locked(self) -> FieldOrder:
        """The row, held until the transaction ends; made if this is the first time."""
        FieldOrder.objects.get_or_create(pk=self.kind)
        return FieldOrder.objects.select_for_update().get(pk=self.kind)
