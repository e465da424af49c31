"""Doorways for Celery: a message only means "look"; what is due stands in PostgreSQL."""

from celery import shared_task

from automations import dating, dispatch, engine, notices, retention


@shared_task
def dispatch_activities() -> None:
    dispatch.drain()


@shared_task
def step_runs() -> None:
    engine.drain()


@shared_task
def look_at_dates() -> None:
    dating.drain()


@shared_task
def send_notices() -> None:
    notices.drain()


@shared_task
def clear_old_runs() -> None:
    retention.clear_old()
