"""The first account of the demo."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from connections import demo
from connections.setup_reading import Refused
from connections.sources.base import SourceError
from sandbox.stripe.demo import DEMO_KEYS


class Command(BaseCommand):
    help = (
        "Connects the sandbox's first account with all five resources and their history, where that was not done "
        "before. Only in the demo (DEMO=1)."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("Only in the demo.")
        try:
            demo.seed(DEMO_KEYS["northwind"])
        except (Refused, SourceError) as error:
            raise CommandError(f"The demo's account could not be connected: {error}") from error
