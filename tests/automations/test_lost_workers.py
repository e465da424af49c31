"""What took its workers along too often is set aside with all that belongs to its end, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import Error, connection
from django.db.models.functions import Now

from automations import engine
from automations.destinations import queueing, sending
from automations.destinations.models import Delivery, Destination
from automations.models import Run
from campaigns.models import Mail
from campaigns.sending import queue, settle_lost
from common.due import MAX_CLAIMS, DueRow, State
from tests.automations.conftest import Make, on, person, step, tagged, worked
from tests.automations.test_destinations_webhook import receiver as receiver
from tests.automations.test_destinations_webhook import shop as shop
from tests.campaigns.conftest import make_campaign as make_campaign

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def refusing(table: str, event: str, when: str) -> Iterator[None]:
    """The database refuses a write that would follow, as if it went away just then."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""create function refuse() returns trigger language plpgsql as $$
                begin raise exception 'refused'; end $$;
                create trigger refusing before {event} on {table} for each row
                when ({when}) execute function refuse()"""
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"drop trigger refusing on {table}; drop function refuse()")


def lost(row: DueRow) -> None:
    """Its last worker is gone too."""
    about = {"state": State.RUNNING, "claims": MAX_CLAIMS, "lease_until": Now() - timedelta(seconds=1)}
    type(row)._default_manager.filter(pk=row.pk).update(**about)


def is_all_or_nothing(row: DueRow, settle: Callable[[], Any], table: str, event: str, when: str) -> None:
    lost(row)
    with refusing(table, event, when), pytest.raises(Error, match="refused"):
        settle()
    row.refresh_from_db()
    assert row.state == State.RUNNING
    settle()
    row.refresh_from_db()
    assert row.state == State.DEAD


def test_a_run(automation: Make) -> None:
    automation(on("tag_added", tag="x"), [step("wait", 1, duration={"amount": 1, "unit": "hours"})])
    tagged(person(), "x")
    worked()
    run = Run.objects.get()
    is_all_or_nothing(run, lambda: engine.drain(0), "automations_runstep", "insert", "true")
    run.refresh_from_db()
    assert run.ended_at
    assert run.log.last().result == "failed"


def test_a_mail(make_campaign: Callable[..., Any]) -> None:
    mail = queue(make_campaign(), person().pk, key="lost")
    is_all_or_nothing(mail, settle_lost, "campaigns_mail", "update", "new.outcome = 'failed'")
    mail.refresh_from_db()
    assert mail.outcome == Mail.Outcome.FAILED


def test_a_delivery(shop: Destination) -> None:
    delivery = queueing.trial(shop)
    is_all_or_nothing(
        delivery, lambda: sending.drain(0), "automations_delivery", "update", "new.finished_at is not null"
    )
    assert Delivery.objects.get().finished_at
