"""The workers' work without workers and without a broker."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connections import idle


class Command(BaseCommand):
    help = (
        "Does all due work in this terminal: events, wanted objects, history, automations. With --until-idle it goes "
        "on until nothing is due and nothing is claimed by a worker; it then ends with 0, or with 1 and the reasons "
        "when an event was set aside or an import failed meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--until-idle", action="store_true", help="wait for workers and for rate limits, too")
        parser.add_argument("--timeout", type=float, default=idle.TIMEOUT, metavar="SECONDS", help="600 by default")
        parser.add_argument("--poll", action="store_true", help="first ask every connected account for new events")

    def handle(self, *args: Any, until_idle: bool, timeout: float, poll: bool, **options: Any) -> None:
        report = idle.work(until_idle=until_idle, timeout=timeout, poll=poll)
        polled = f"{report.polled} new events polled, " if poll else ""
        self.stdout.write(
            f"{polled}{report.events} events worked, {report.objects} objects fetched, {report.pages} pages of history."
        )
        if report.reasons:
            raise CommandError("\n".join(report.reasons))
