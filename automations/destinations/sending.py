"""Deliveries leave, one claim a delivery, with no transaction open while somebody is asked.

A worker that dies after a request left and before that is written sends it again under the same id: at least once.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.db import connection, transaction
from django.db.models.functions import Now

from automations.destinations import addresses, content, customerio, hosts, http, signing, verdicts
from automations.destinations.content import Subject
from automations.destinations.http import Answer
from automations.destinations.models import Delivery, Destination, in_turn
from automations.destinations.queueing import subject_of
from common.encryption import SecretUnreadable

logger = logging.getLogger(__name__)
DRAIN_SECONDS = 20
_SOON, _PATIENCE = timedelta(seconds=1), timedelta(seconds=2)
_PERSON_LOCKS = 0x43494F00
UNREADABLE = "The stored secret does not open with FIELD_KEYS any more."
_MENDED_BY = {True: "Make a new signing secret and give it to the receiver.", False: "Enter the credentials again."}


class Unsendable(Exception):
    """Nothing can leave, now or later; the text says why."""


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Send what is due until nothing may leave or the time is up. Returns how many were worked."""
    ends, worked = time.monotonic() + seconds, 0
    _release_expired()
    while time.monotonic() < ends and (claimed := _claim()):
        work(claimed)
        worked += 1
    return worked


def _claim() -> Delivery | None:
    for destination in in_turn().exclude(host__in=hosts.busy()):
        due = Delivery.objects.get_queryset().filter(destination=destination)
        if found := due.claim(1):
            mine: Delivery = found[0]
            return mine
    return None


def work(delivery: Delivery) -> None:
    """Send a claimed delivery and write down what came of it."""
    try:
        if not _alone(delivery):
            return
        pause = _pause(delivery)
        if pause is None:
            delivery.later(_SOON, code="rate_limit")
            return
        time.sleep(pause)
        verdicts.write(delivery, _send(delivery))
    except Unsendable as error:
        verdicts.write(delivery, Answer(None, message=str(error), refused=True))
    except SecretUnreadable:
        verdicts.hold(delivery, f"{UNREADABLE} {_MENDED_BY[delivery.destination.is_webhook]}")
    except Exception as error:
        logger.exception("Delivery %s failed", delivery.pk)
        verdicts.write(delivery, Answer(None, message=f"An error of our own: {type(error).__name__}.", ours=True))


def _alone(delivery: Delivery) -> bool:
    """Requests about one person leave one after the other, each made of the rows as they are then.

    Whoever finds another claimed steps back, in one transaction with the question; so of many claimed at once the last
    one to ask goes. No lock outlives that transaction: a pooler may give the next one another session.
    """
    if delivery.kind != Delivery.Kind.PERSON or delivery.contact_id is None:
        return True
    key = [_PERSON_LOCKS + delivery.destination_id % 256, delivery.contact_id % 2**31]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(%s, %s)", key)
        same = Delivery.objects.claimed().filter(kind=Delivery.Kind.PERSON, lease_until__gt=Now())
        others = same.filter(destination=delivery.destination_id, contact=delivery.contact_id).exclude(pk=delivery.pk)
        if others.exists():
            delivery.later(_SOON, code="person")
            return False
    return True


def _pause(delivery: Delivery) -> float | None:
    """Seconds to wait for a turn at the host; None when others have taken too many."""
    if delivery.destination.is_webhook:
        return 0.0
    return hosts.slot(delivery.destination.host_id, customerio.PER_SECOND, longest=_PATIENCE)


def _send(delivery: Delivery) -> Answer:
    destination = delivery.destination
    if destination.is_webhook:
        return _post(destination, delivery)
    if delivery.contact is None:
        raise Unsendable("The contact is gone.")
    identifier = _identifier(destination, delivery)
    if delivery.kind == Delivery.Kind.PERSON:
        delivery.body = content.as_json(_attributes(delivery))
        return customerio.put_person(destination, identifier, delivery.body.encode())
    return customerio.track(destination, identifier, delivery.body.encode())


def _post(destination: Destination, delivery: Delivery) -> Answer:
    try:
        url = addresses.check(destination.url)
    except addresses.AddressRefused as error:
        raise Unsendable(str(error)) from error
    headers = {"Content-Type": "application/json", **signing.headers(destination, delivery)}
    return http.send("POST", url, delivery.body.encode(), headers)


def _attributes(delivery: Delivery) -> dict[str, object]:
    subject: Subject = subject_of(delivery)
    attributes = content.flat(delivery.mapping, subject, stamps=True)
    created = int(subject.contact.created_at.timestamp())
    return {"created_at": created} | attributes


def _identifier(destination: Destination, delivery: Delivery) -> str:
    contact = delivery.contact
    assert contact  # noqa: S101  looked at before
    if destination.identify_by == Destination.Person.ID:
        return str(contact.pk)
    if not contact.email:
        raise Unsendable("The contact has no email address, by which this destination knows people.")
    if len(contact.email) > customerio.LONGEST_IDENTIFIER:
        raise Unsendable("The email address is longer than Customer.io takes.")
    return contact.email.lower()


@transaction.atomic
def _release_expired() -> None:
    for pk in Delivery.objects.release_expired():
        verdicts.gave_up(Delivery.objects.get(pk=pk))
