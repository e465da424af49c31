"""The demo's segments, campaign and automations, and the first mails they send."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from automations import demo
from sandbox.stripe.client import connect
from sandbox.stripe.demo import NORTHWIND


class Command(BaseCommand):
    help = (
        "Makes two segments, a campaign and three automations, and lets the sandbox give them something to answer to, "
        "where nobody has made any yet. Waits until a recurring payment was synced, so workers must run. "
        "Only in the demo (DEMO=1)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sandbox", help="where the sandbox Stripe answers")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("Only in the demo.")
        if not demo.is_untouched():
            return
        account = connect(options["sandbox"]).account(NORTHWIND)
        subscriptions = demo.newcomers(account)
        if not demo.wait_for(subscriptions):
            raise CommandError("The sandbox's subscriptions were not synced in time.")
        demo.make()
        demo.news(account, subscriptions)
