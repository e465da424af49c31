"""Doorways for Celery: a message only means "look"; what is due stands in PostgreSQL."""

from celery import shared_task

from connections import (
    checks,
    failed_derivations,
    fetching,
    historical,
    inbox,
    polling,
    reconcile,
    rederiving,
    replaying,
    retention,
    underived_pages,
)


@shared_task
def drain_inbox() -> None:
    inbox.drain()


@shared_task
def rederive_due() -> None:
    rederiving.drain()
    underived_pages.drain()
    failed_derivations.drain()


@shared_task
def fetch_wanted() -> None:
    fetching.drain()


@shared_task
def drain_history() -> None:
    historical.drain()


@shared_task
def poll_events() -> None:
    polling.drain()


@shared_task
def check_endpoints() -> None:
    checks.drain()


@shared_task
def compare_objects() -> None:
    reconcile.drain()


@shared_task
def replay_pages() -> None:
    replaying.drain()


@shared_task
def clear_old() -> None:
    retention.clear_old()
