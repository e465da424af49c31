"""Conditions as one query: every tag, list, order or recurring payment they ask for is an EXISTS of its own, so no
contact is found twice and none costs a query.

Who reads "does not" gets the exact opposite of the positive operator, so a field without a value counts there.
Merged contacts are never found. Test contacts are only found when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from contacts.models import Contact, ContactTag, Identity, ListMembership
from orders.models import Order
from recurring_payments.models import RecurringPayment
from segments import comparing, sums
from segments.conditions import Condition, Group, Item, Related
from segments.fields import CONTACT, CUSTOMER, LIST, RECURRING_PAYMENT, TAG, ConditionField, fields

EVERYBODY = Q()
_RECORDS: dict[str, Any] = {RECURRING_PAYMENT: RecurringPayment, "order": Order}


def contacts_matching(group: Group, *, test: bool = False, now: datetime | None = None) -> QuerySet[Contact]:
    """Live contacts that match, or with `test` those of test mode; unordered, one query."""
    found: QuerySet[Contact] = Contact.objects.present().filter(is_test=test)
    return found.filter(condition_query(group, now=now))


def condition_query(group: Group, *, now: datetime | None = None, only: int | None = None) -> Q:
    """For querysets of contacts. `only`: the one contact it is going to be asked about, so that sums are of it alone.

    A field that is gone raises ConditionError.
    """
    return _Compiler(now or timezone.now(), fields(CONTACT), only).item(group)


def matches(group: Group, contact_id: int, *, now: datetime | None = None) -> bool:
    """Whether the contact matches now, in whichever mode it is."""
    return Contact.objects.filter(condition_query(group, now=now, only=contact_id), pk=contact_id).exists()


def recurring_payments_matching(group: Group, *, now: datetime | None = None) -> QuerySet[RecurringPayment]:
    """Recurring payments that match conditions of the scope "recurring_payment", whoever and in whichever mode."""
    compiler = _Compiler(now or timezone.now(), fields(RECURRING_PAYMENT), None, within=RECURRING_PAYMENT)
    return RecurringPayment.objects.filter(compiler.item(group))


@dataclass(frozen=True)
class _Compiler:
    """`within`: what the query's rows are."""

    now: datetime
    known: dict[str, ConditionField]
    only: int | None
    within: str = field(default=CONTACT)

    def item(self, item: Item) -> Q:
        if isinstance(item, Group):
            return joined(item.match, [self.item(one) for one in item.items])
        if isinstance(item, Related):
            return self.related(item)
        about = item.field.partition(".")[0]
        if about == self.within:
            return self.own(item)
        return self.related(Related(about, conditions=(item,)))

    def related(self, item: Related) -> Q:
        inner = _Compiler(self.now, self.known, self.only, within=item.about)
        asked = joined(item.match, [inner.item(one) for one in item.conditions])
        found = Q(Exists(_RECORDS[item.about].objects.filter(asked, contact=OuterRef("pk"))))
        return ~found if item.quantifier == "none" else found

    def own(self, item: Condition) -> Q:
        if item.field == TAG:
            return _has(item, ContactTag.objects.filter(contact=OuterRef("pk"), tag__name=item.value))
        if item.field == LIST:
            return _has(item, ListMembership.objects.filter(contact=OuterRef("pk"), list=item.value))
        if item.field == CUSTOMER:
            return _has(item, _identities(str(item.value)))
        if item.field in sums.SUMS:
            return sums.query(item, self.only)
        return comparing.query(comparing.known_field(item, self.known), item, self.now)


def joined(match: str, parts: list[Q]) -> Q:
    """All or any of them; nothing asked is true of everybody."""
    # Django drops an empty Q from an OR, where it has to win.
    if not parts or (match == "any" and EVERYBODY in parts):
        return EVERYBODY
    return reduce(and_ if match == "all" else or_, parts)


def _has(item: Condition, rows: QuerySet[Any]) -> Q:
    found = Q(Exists(rows))
    return found if item.operator in ("has", "on_list", "is") else ~found


def _identities(value: str) -> QuerySet[Identity]:
    source, _, account = value.partition(":")
    found = Identity.objects.filter(contact=OuterRef("pk"), source=source)
    return found.filter(account=account) if account else found
