"""Automations made as the builder makes them, and what happens to contacts told as sources tell it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from automations import dating, deeds, dispatch, engine, lifecycle
from automations.declarations import Action, Outcome, Step, _registry, failed, go_on, register
from automations.models import Automation, Run
from common.origin import Origin
from contacts.activities import NewActivity, record_activities
from contacts.models import Activity, Contact, Kind

Make = Callable[..., Automation]
_numbers = itertools.count(1)


def step(action: str, number: int = 1, branches: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    """One step of a tree, with the id s<number>."""
    found: dict[str, Any] = {"id": f"s{number}", "action": action, "parameters": parameters}
    return found | ({"branches": branches} if branches else {})


def on(trigger: str, *, once: bool = False, conditions: Any = None, **parameters: Any) -> dict[str, Any]:
    return {"key": trigger, "parameters": parameters, "once": once, "conditions": conditions}


def having(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    """A segment of one condition."""
    return {"match": "all", "items": [{"field": field, "operator": operator, "value": value}]}


def person(email: str = "", **values: Any) -> Contact:
    address = email or f"person{next(_numbers)}@example.com"
    return Contact.objects.create(email=address, email_key=address, **values)


def happened(contact: Contact | None, kind: Kind, *, changes: Any = (), is_test: bool = False, **data: Any) -> Activity:
    """Something happens to a contact, as a source would tell it."""
    key = f"test:{next(_numbers)}:{timezone.now().timestamp()}"
    record_activities(
        [
            NewActivity(
                contact_id=contact.pk if contact else None,
                kind=kind,
                occurred_at=timezone.now(),
                summary=f"{kind.label}",
                origin=Origin.WEBHOOK,
                dedupe=key,
                is_test=is_test,
                changes=list(changes),
                data=data,
            )
        ]
    )
    return Activity.objects.get(dedupe=key)


def tagged(contact: Contact, tag: str, **values: Any) -> Activity:
    return happened(contact, Kind.TAG_ADDED, tag=tag, **values)


def settled() -> None:
    """Orders have had their seconds: whatever waited to be dispatched was recorded long ago."""
    Activity.objects.filter(dispatched_at=None).update(recorded_at=Now() - timedelta(hours=1))


def worked() -> None:
    """Everything due now, as the workers would do it."""
    for _ in range(50):
        if not (dispatch.drain() + engine.drain() + dating.drain()):
            return
    raise AssertionError("There is always more to do.")


def later(run: Run, **ago: float) -> None:
    """The run's wait was over some time ago."""
    moment = Now() - timedelta(**ago)
    Run.objects.filter(pk=run.pk).update(next_attempt_at=moment, wake_at=moment)


def lines(run: Run) -> list[tuple[str, str]]:
    """The log as (step, result)."""
    return [(one.step, one.result) for one in run.log.order_by("pk")]


@pytest.fixture
def automation(db: None) -> Make:
    """automation(triggers, steps, …): active. One trigger may stand alone."""

    def make(triggers: Any, steps: list[Any], **values: Any) -> Automation:
        listed = triggers if isinstance(triggers, list) else [triggers]
        name = values.pop("name", f"Automation {next(_numbers)}")
        made = lifecycle.create(name, None, triggers=listed, steps=steps, **values)
        lifecycle.activate(made.pk, None)
        made.refresh_from_db()
        return made

    return make


@pytest.fixture
def failing() -> Iterator[list[str]]:
    """An action “flaky” that tags the contact and then fails while the list holds a message."""
    messages: list[str] = []

    def perform(one: Step, run: Run) -> Outcome:
        deeds.add_tag(run, "flaky", one.key)
        return failed(messages[0], status=503, body="busy") if messages else go_on()

    register(Action("flaky", "Flaky", "Flow", "Fails while it is told to.", "zap", perform))
    yield messages
    _registry.actions.pop("flaky")
