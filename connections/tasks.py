"""Doorways for Celery: a message only means "look"; what is due stands in PostgreSQL."""

from celery import shared_task

from common.looking import rung
from connections import (
    checks,
    failed_derivations,
    fetching,
    historical,
    history_windows,
    inbox,
    polling,
    reconcile,
    rederiving,
    replaying,
    retention,
    stored_events,
    underived,
    underived_pages,
)
from connections.models import BulkReplay, FailedDerivation, InboundEvent, Rederivation


@rung("inbox", InboundEvent.objects.due, InboundEvent.objects.expired)
@shared_task
def drain_inbox() -> None:
    inbox.drain()


@rung(
    "inbox",
    lambda: rederiving.walkable().due(),
    Rederivation.objects.expired,
    underived.due,
    lambda: failed_derivations.workable().due(),
    FailedDerivation.objects.expired,
)
@shared_task
def rederive_due() -> None:
    rederiving.drain()
    underived_pages.drain()
    failed_derivations.drain()


@rung("stripe", fetching.due)
@shared_task
def fetch_wanted() -> None:
    fetching.drain()


@rung("stripe", lambda: history_windows.walkable().due(), lambda: history_windows.windows().expired())
@shared_task
def drain_history() -> None:
    historical.drain()


@rung("stripe", polling.due)
@shared_task
def poll_events() -> None:
    polling.drain()


@shared_task
def release_held() -> None:
    stored_events.release_held()


@shared_task
def check_endpoints() -> None:
    checks.drain()


@shared_task
def compare_objects() -> None:
    reconcile.drain()


@rung("inbox", BulkReplay.objects.due, BulkReplay.objects.expired)
@shared_task
def replay_pages() -> None:
    replaying.drain()


@shared_task
def clear_old() -> None:
    retention.clear_old()
