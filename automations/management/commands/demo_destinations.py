"""The demo's two destinations, and an automation that sends to them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from automations import lifecycle
from automations.demo import AUTOMATION
from automations.destinations import addresses, customerio, setup
from automations.destinations.models import Destination
from automations.models import Automation

WEBHOOK, CUSTOMERIO = "Warehouse", "Customer.io"
_MAPPING = [
    {"from": "contact.email", "to": "customer.email"},
    {"from": "contact.first_name", "to": "customer.first_name"},
    {"from": "order.total", "to": "order.amount"},
    {"from": "order.currency", "to": "order.currency"},
    {"from": "order.item_names", "to": "order.items"},
]
_PERSON = [
    {"from": "contact.email", "to": "email"},
    {"from": "contact.first_name", "to": "first_name"},
    {"from": "totals.payments", "to": "payments"},
    {"from": "totals.active_recurring_payments", "to": "active_subscriptions"},
]
_EVENT = [{"from": "order.total", "to": "amount"}, {"from": "order.currency", "to": "currency"}]


class Command(BaseCommand):
    help = (
        "Adds a webhook and a Customer.io account, both of a sandbox, and an automation that sends to them, where they "
        "are missing. Only in the demo (DEMO=1)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help="where the sandbox receives webhooks")
        parser.add_argument("secret", help="what it checks signatures with")
        parser.add_argument("credentials", help="region:site ID:API key of the sandbox's Customer.io")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("Only in the demo.")
        is_first = not Destination.objects.exists()
        webhook = _webhook(addresses.check(options["url"]), options["secret"], is_first=is_first)
        account = _customerio(*options["credentials"].split(":"), is_first=is_first)
        if is_first and webhook and account:
            _automation(webhook, account)


def _webhook(url: str, secret: str, *, is_first: bool) -> Destination | None:
    """Its port may be another one at each start."""
    found = Destination.objects.filter(kind=Destination.Kind.WEBHOOK, name=WEBHOOK).first()
    if found is None and is_first:
        found = Destination(kind=Destination.Kind.WEBHOOK, name=WEBHOOK, url=url)
        setup.add_webhook(found)
        found.seal("secret", secret)
        found.secret_hint = "whsec_…" + secret[-4:]
        found.previous_secret_sealed = found.previous_secret_until = None
        found.save()
    if found and addresses.is_local(found.url):
        found.url = url
        setup.change(found)
    return found


def _customerio(region: str, site_id: str, api_key: str, *, is_first: bool) -> Destination | None:
    found = Destination.objects.filter(kind=Destination.Kind.CUSTOMERIO, name=CUSTOMERIO).first()
    if found is None and is_first:
        found = Destination(kind=Destination.Kind.CUSTOMERIO, name=CUSTOMERIO, region=region, site_id=site_id)
        setup.add_customerio(found, api_key)
    if found:
        found.host = setup.host(customerio.host(found.region))
        found.save()
    return found


def _automation(webhook: Destination, account: Destination) -> Automation:
    steps = [
        ("webhook", {"destination": webhook.pk, "name": "order.paid", "mapping": _MAPPING}),
        ("customerio_person", {"destination": account.pk, "mapping": _PERSON}),
        ("customerio_event", {"destination": account.pk, "name": "Payment received", "mapping": _EVENT}),
    ]
    made = lifecycle.create(
        AUTOMATION,
        None,
        triggers=[{"key": "order_paid", "parameters": {}, "conditions": None, "once": False}],
        steps=[
            {"id": f"s{number}", "action": action, "parameters": parameters}
            for number, (action, parameters) in enumerate(steps, 1)
        ],
    )
    lifecycle.activate(made.pk, None)
    return made
