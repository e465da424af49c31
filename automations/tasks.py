"""Doorways for Celery: a message only means "look"; what is due stands in PostgreSQL."""

from celery import shared_task

from automations import awaiting, dating, dispatch, engine, failures, mail_news, notices, retention
from automations.destinations import retention as delivery_retention
from automations.destinations import sending
from automations.models import Delivery, Run
from campaigns.models import Mail
from common.looking import rung


@rung("inbox", dispatch.ready)
@shared_task
def dispatch_activities() -> None:
    dispatch.drain()


@shared_task
def start_awaited() -> None:
    awaiting.drain()


@rung("inbox", Run.objects.due, Run.objects.expired)
@shared_task
def step_runs() -> None:
    engine.drain()


@shared_task
def look_at_dates() -> None:
    dating.drain()


@rung("inbox", Mail.untold)
@shared_task
def pull_mail_news() -> None:
    mail_news.drain()


@shared_task
def send_notices() -> None:
    notices.drain()


@shared_task
def clear_old_runs() -> None:
    retention.clear_old()


@rung("stripe", Delivery.objects.sendable, Delivery.objects.expired)
@shared_task
def send_deliveries() -> None:
    sending.drain()


@shared_task
def clear_old_deliveries() -> None:
    delivery_retention.clear_old()


@shared_task
def tell_failures() -> None:
    failures.drain()
