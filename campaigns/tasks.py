"""Doorways for Celery: a message only means "look"; what is due stands in PostgreSQL."""

from celery import shared_task

from campaigns import direct, retention, sending, tallying
from campaigns.models import Mail, Sending
from common.looking import rung


@rung("stripe", Mail.objects.due, Mail.objects.expired)
@shared_task
def send_mails() -> None:
    sending.drain()


@rung("inbox", Sending.objects.due, Sending.objects.expired)
@shared_task
def expand_sendings() -> None:
    direct.drain()


@shared_task
def tally_mails() -> None:
    tallying.drain()


@shared_task
def clear_old_mails() -> None:
    retention.clear_old()
