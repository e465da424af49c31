"""Making, ordering and deleting the users' own fields. Values live in `Contact.custom`, reasons in `Contact.facts`."""

from __future__ import annotations

from itertools import chain, count

from django.db import connection, transaction
from django.db.models import Max, Q, QuerySet
from django.utils.text import slugify

from contacts.models import Contact, CustomField

BATCH = 5000


def key_for(label: str) -> str:
    """A key that is free, made from the label: “Plan name” -> plan_name."""
    base = slugify(label).replace("-", "_")[:50].strip("_")
    if not base or not base[0].isalpha():
        base = f"field_{base}".strip("_")
    taken = set(CustomField.objects.filter(key__startswith=base).values_list("key", flat=True))
    numbered = (f"{base}_{number}" for number in count(2))
    return next(key for key in chain([base], numbered) if key not in taken)


def holding(field: CustomField) -> QuerySet[Contact]:
    """Contacts that have a value in the field."""
    return Contact.objects.present().filter(custom__has_key=field.key)


def add(field: CustomField) -> CustomField:
    """Store a new field as the last one. Values that an older field of this key left behind do not come back."""
    _forget_values(field)
    field.position = (CustomField.objects.aggregate(last=Max("position"))["last"] or 0) + 1
    field.save()
    return field


def delete(field: CustomField) -> None:
    """The field first, so that nothing writes it any more; then its values, a few thousand contacts a statement."""
    CustomField.objects.filter(pk=field.pk).delete()
    _forget_values(field)


@transaction.atomic
def move(field: CustomField, *, up: bool) -> None:
    """One place up or down; nothing happens at the end."""
    fields = list(CustomField.objects.select_for_update().order_by("position", "label", "pk"))
    place = [one.pk for one in fields].index(field.pk)
    target = place - 1 if up else place + 1
    if 0 <= target < len(fields):
        fields[place], fields[target] = fields[target], fields[place]
    for position, one in enumerate(fields, start=1):
        one.position = position
    CustomField.objects.bulk_update(fields, ["position"])


def _forget_values(field: CustomField) -> None:
    marked = Contact.objects.filter(Q(custom__has_key=field.key) | Q(facts__has_key=field.target)).order_by("pk")
    last = 0
    while batch := list(marked.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
        with connection.cursor() as cursor:
            cursor.execute(
                "update contacts_contact set custom = custom - %s, facts = facts - %s where id = any(%s)",
                [field.key, field.target, batch],
            )
        last = batch[-1]
