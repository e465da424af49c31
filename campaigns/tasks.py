"""Doorways for Celery: a message only means "look"; what is due stands in PostgreSQL."""

from celery import shared_task

from campaigns import direct, sending


@shared_task
def send_mails() -> None:
    sending.drain()


@shared_task
def expand_sendings() -> None:
    direct.drain()
