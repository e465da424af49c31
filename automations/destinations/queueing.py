"""Wishes to send something: rows, written in the transaction of whoever wishes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models.functions import Now

from automations.destinations import content, customerio
from automations.destinations.content import Subject
from automations.destinations.models import Delivery, Destination, new_delivery_id
from automations.models.run import Run
from common.due import State
from common.text import storable_tree

Mapping = list[dict[str, str]]


def webhook(run: Run, step: str, key: str, destination: Destination, name: str, mapping: Mapping) -> None:
    """The body is made now and is the same bytes on every try."""
    data = content.nested(mapping, subject_of(run))
    body = {"type": name, "timestamp": _now(), "data": storable_tree(data)}
    _put(run, step, key, destination, Delivery.Kind.WEBHOOK, event_name=name, body=content.as_json(body))


def person(run: Run, step: str, key: str, destination: Destination, mapping: Mapping) -> None:
    """Only the wish: attributes are read when it is sent, so that the last one to arrive is the newest."""
    _put(run, step, key, destination, Delivery.Kind.PERSON, mapping=mapping)


def event(run: Run, step: str, key: str, destination: Destination, name: str, mapping: Mapping) -> None:
    uid = new_delivery_id()
    data = content.flat(mapping, subject_of(run), stamps=True)
    happened = run.event.get("occurred_at")
    moment = datetime.fromisoformat(happened) if happened else run.started_at
    body = {"name": name, "id": customerio.ulid(uid.int), "timestamp": int(moment.timestamp())}
    text = content.as_json(body | {"data": storable_tree(data)})
    _put(run, step, key, destination, Delivery.Kind.EVENT, event_name=name, body=text, uid=uid)


def trial(destination: Destination) -> Delivery:
    """A message by which a person sees that a webhook arrives."""
    delivery = Delivery(destination=destination, kind=Delivery.Kind.WEBHOOK, event_name="millrace.test", is_test=True)
    delivery.key = f"trial:{delivery.uid.hex}"
    data = {"message": "This is a test. Nothing happened.", "destination": destination.name}
    delivery.body = content.as_json({"type": delivery.event_name, "timestamp": _now(), "data": data})
    delivery.save()
    return delivery


def resend(delivery: Delivery) -> bool:
    """Once more, with the same id: a receiver that has it already knows it. False while it is on its way."""
    fresh: dict[str, Any] = {"attempts": 0, "claims": 0, "finished_at": None, "last_error": "", "last_error_code": ""}
    over = Delivery.objects.filter(pk=delivery.pk, state__in=[State.DONE, State.DEAD, State.IGNORED])
    return bool(over.update(state=State.DUE, next_attempt_at=Now(), **fresh))


def subject_of(row: Run | Delivery) -> Subject:
    assert row.contact  # noqa: S101  runs have one, and so have their deliveries
    return Subject(row.contact, row.recurring_payment, row.order, row.event)


def _put(run: Run, step: str, key: str, destination: Destination, kind: Delivery.Kind, **values: Any) -> None:
    delivery = Delivery(
        destination=destination,
        kind=kind,
        key=key,
        contact_id=run.contact_id,
        recurring_payment_id=run.recurring_payment_id,
        order_id=run.order_id,
        event=run.event,
        run=run,
        step=step,
        is_test=run.is_test,
        **values,
    )
    Delivery.objects.bulk_create([delivery], ignore_conflicts=True)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
