"""Destinations as people add them, and what is due for them sent as the worker does it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from automations.destinations import addresses, customerio, sending, setup
from automations.destinations.models import Delivery, Destination, Host
from common.due import State
from contacts.models import Contact
from orders.models import Order
from sandbox import webhook_receiver
from sandbox.customerio import Account
from sandbox.webhook_receiver import Receiver

EMAIL = {"from": "contact.email", "to": "email"}


def webhook(url: str, **values: Any) -> tuple[Destination, str]:
    """(the destination, its secret)."""
    host, _ = Host.objects.get_or_create(name=addresses.host_of(url))
    made = Destination(kind=Destination.Kind.WEBHOOK, host=host, url=url, **{"name": "Shop system", **values})
    return made, setup.add_webhook(made)


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.DEMO = True
    with webhook_receiver.serve() as running:
        yield running


@pytest.fixture
def shop(receiver: Receiver, db: None) -> Destination:
    made, secret = webhook(receiver.url)
    receiver.knows(secret)
    return made


def connected(account: Account, **values: Any) -> Destination:
    host, _ = Host.objects.get_or_create(name=customerio.host(account.region))
    made = Destination(
        kind=Destination.Kind.CUSTOMERIO,
        host=host,
        region=account.region,
        site_id=account.site_id,
        **{"name": "Customer.io", **values},
    )
    setup.add_customerio(made, account.api_key)
    return made


def sent() -> int:
    """Everything that may leave now."""
    return sending.drain()


def due_again(delivery: Delivery) -> timedelta:
    """How long it would have waited; now it is due."""
    delivery.refresh_from_db()
    assert delivery.state == State.DUE, delivery.state
    wait = delivery.next_attempt_at - timezone.now()
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=Now())
    return wait


def rested() -> None:
    """The time for which hosts are left alone is over."""
    Host.objects.update(paused_until=None)


def paid(contact: Contact, minor: int, currency: str = "eur", **values: Any) -> Order:
    number = Order.objects.count() + 1
    return Order.objects.create(
        **{
            "contact": contact,
            "source": "stripe",
            "account": "acct_1",
            "external_id": f"pi_{number}",
            "status": "paid",
            "currency": currency,
            "total": minor,
            "placed_at": timezone.now(),
            **values,
        }
    )
