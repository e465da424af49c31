"""Objects that Stripe does not let us read: set aside with the reason, told on the account's page, asked for again.

That an object cannot be read says nothing of it. What we hold of it stays, and where two events about it contradict
each other the one that came last counts (`guard`).
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from common.due import State, database_now
from common.origin import Origin
from connections import derivation_pages, inbox, single_reads, stored_events
from connections.derived import Told
from connections.models import Connection, InboundEvent, RemoteObject


def refused() -> QuerySet[RemoteObject]:
    """Objects set aside. Of kinds that are never read one by one nobody can do anything."""
    aside = RemoteObject.objects.filter(wanted_at__isnull=True).exclude(wanted_error="")
    return aside.filter(type__in=single_reads.KINDS)


def counted() -> Coalesce:
    """How many of a connection's are set aside, as an annotation of connections."""
    each = refused().filter(connection=OuterRef("pk")).order_by().values("connection")
    return Coalesce(Subquery(each.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0)


def reason() -> Subquery:
    """Why one of them is, in words, as an annotation of connections."""
    return Subquery(refused().filter(connection=OuterRef("pk")).order_by("type", "pk").values("wanted_error")[:1])


def set_aside(connection: Connection, row: RemoteObject, why: str) -> None:
    """Give up reading the object; who waited for it goes on with what there is.

    One that we never held gets an empty stand-in without a time, which any state of it replaces.
    """
    stand_in = {"id": row.external_id, "object": row.type, "deleted": True}
    try:
        with transaction.atomic():
            connection = inbox.fenced(connection.pk, connection.epoch)
            mine = RemoteObject.objects.select_for_update(no_key=True).get(pk=row.pk)
            if mine.wanted_at is None:
                return
            never_held = mine.body is None
            if never_held:
                mine.body, mine.as_of, mine.deleted_at = stand_in, None, Now()
            mine.wanted_at, mine.wanted_error = None, why[:500]
            mine.save(update_fields=["body", "as_of", "deleted_at", "wanted_at", "wanted_error"])
            if never_held:
                silent = not told_of(connection, row.key)
                fact = Told(database_now(), Origin.POLL, f"{connection.pk}:unread:{row.key}", silent)
                derivation_pages.derive_beside(connection, {row.key: fact}, is_last=True)
            stored_events.release(connection, {row.key})
    except inbox.Moved:
        return


def told_of(connection: Connection, key: str) -> list[datetime]:
    """When the events that wait for this object happened."""
    waiting = InboundEvent.objects.filter(connection=connection, state=State.WAITING, waits_for__contains=[key])
    return list(waiting.values_list("occurred_at", flat=True))


def note_lacking(connection: Connection, permission: str) -> None:
    """Remember a right that the key lacks, so that the page names it."""
    if permission in connection.missing_permissions:
        return
    with transaction.atomic():
        locked = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        if locked.epoch == connection.epoch and permission not in locked.missing_permissions:
            locked.missing_permissions = sorted([*locked.missing_permissions, permission])
            locked.save(update_fields=["missing_permissions"])


def ask_again(connection: Connection) -> int:
    """Have everything read now that was set aside, or put off after a try in vain: the key may do more now, and Stripe
    be there again. Returns how many.
    """
    mine = refused().filter(connection=connection)
    put_off = RemoteObject.objects.filter(connection=connection, wanted_at__gt=Now()).exclude(wanted_error="")
    return mine.update(wanted_at=Now(), wanted_attempts=0, wanted_error="") + put_off.update(
        wanted_at=Now(), wanted_attempts=0
    )
