"""What the Stripe app page shows of the accounts: a handful of queries, however many resources and events there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Case, Count, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery, When
from django.db.models.expressions import RawSQL

from common.due import State
from connections import (
    account_checks,
    address,
    failed_derivations,
    lag,
    log_counts,
    overdue,
    polling,
    resource_lines,
    unread,
)
from connections.account_checks import AccountCheck
from connections.lag import Lag
from connections.log_counts import Today
from connections.models import Connection, InboundEvent, Resource, SetupDraft, SyncLogEntry
from connections.models.bulk_replay import COUNTED
from connections.overdue import Overdue
from connections.resource_lines import ResourceLine, has_endpoint_trouble
from connections.sources.stripe.events import RESOURCES
from connections.sources.stripe.listing import PERMISSIONS


@dataclass
class Account:
    """A connected account with its resources."""

    connection: Connection
    lines: list[ResourceLine]
    today: Today
    last_event_at: datetime | None = None
    set_aside: int = 0
    updates_set_aside: int = 0
    unread: int = 0
    unread_reason: str = ""
    polls_in_vain: bool = False
    lag: Lag = field(default_factory=Lag)
    overdue: Overdue = field(default_factory=Overdue)
    check: AccountCheck | None = None
    log_rows: int = 0

    @property
    def endpoint_trouble(self) -> bool:
        return has_endpoint_trouble(self.connection)

    @property
    def lacking(self) -> list[str]:
        """Rights that the key lacks, of those it was asked to have."""
        return [name for name in self.connection.missing_permissions if name in PERMISSIONS]

    @property
    def misses_webhooks(self) -> bool:
        """Events of the last day came only because Millrace looked itself."""
        return self.lag.missed_today > 0 and not self.connection.asks_itself

    @property
    def may_have_webhook(self) -> bool:
        """Somebody wished for polling, and this installation has an address that Stripe may reach."""
        connection = self.connection
        wished = connection.polls and connection.delivery == Connection.Delivery.POLLING
        return wished and address.is_public(settings.SITE_URL)

    @property
    def copy_id(self) -> str:
        """Element id of the webhook's address."""
        return f"hook-url-{self.connection.pk}"

    @property
    def has_room(self) -> bool:
        """Is there a resource left to add?"""
        return len(self.lines) < len(RESOURCES)

    @property
    def healthy(self) -> bool:
        aside = self.set_aside or self.updates_set_aside or self.polls_in_vain
        ok = self.connection.state == Connection.State.ACTIVE and not self.endpoint_trouble and not aside
        return ok and not any(line.cause for line in self.lines)


@dataclass(frozen=True)
class Unfinished:
    """A wizard somebody began. `draft` is None when only the key was given."""

    connection: Connection
    draft: SetupDraft | None


def accounts(connections: QuerySet[Connection] | None = None) -> list[Account]:
    """The connected accounts, or those given, with everything their cards show. Five queries."""
    chosen = Connection.objects.connected() if connections is None else connections
    newest = InboundEvent.objects.filter(connection=OuterRef("pk")).order_by("-received_at").values("received_at")
    aside = InboundEvent.objects.filter(connection=OuterRef("pk"), state=State.DEAD).order_by()
    counted = aside.values("connection").annotate(n=Count("pk")).values("n")
    found = list(
        chosen.select_related("status").annotate(
            last_event_at=Subquery(newest[:1]),
            dead_events=Subquery(counted),
            dead_updates=failed_derivations.counted(),
            polls_in_vain=Case(When(polling.failing(), then=True), default=False),
            unread=unread.counted(),
            unread_reason=unread.reason(),
            lag=lag.annotation(),
            overdue=overdue.annotation(),
            log_rows=_log_rows(),
        )
    )
    ids = [connection.pk for connection in found]
    lines = resource_lines.lines(Resource.objects.active().filter(connection__in=ids))
    log = log_counts.today(ids)
    for line in lines:
        line.today = log.get((line.resource.connection_id, line.resource.kind), Today())
    return [
        Account(
            connection=connection,
            lines=[line for line in lines if line.resource.connection_id == connection.pk],
            today=log_counts.total(today for (pk, _), today in log.items() if pk == connection.pk),
            last_event_at=connection.last_event_at,
            set_aside=connection.dead_events or 0,
            updates_set_aside=connection.dead_updates,
            polls_in_vain=connection.polls_in_vain,
            unread=connection.unread,
            unread_reason=connection.unread_reason or "",
            lag=Lag.of(connection.lag),
            overdue=Overdue.of(connection.overdue),
            log_rows=connection.log_rows,
        )
        for connection in found
    ]


def with_checks(found: list[Account]) -> list[Account]:
    """The same accounts, each with its newest check. One query."""
    checks = account_checks.newest([account.connection.pk for account in found])
    for account in found:
        account.check = checks.get(account.connection.pk)
    return found


def unfinished() -> list[Unfinished]:
    """Wizards that wait to be continued. One query."""
    begun = Q(state=Connection.State.SETUP) | Q(
        pk__in=SetupDraft.objects.filter(finished_at=None, resource=None).values("connection")
    )
    open_drafts = Prefetch(
        "drafts", SetupDraft.objects.filter(finished_at=None, resource=None).defer("samples"), to_attr="open_drafts"
    )
    connections = Connection.objects.exclude(state=Connection.State.DISCONNECTED).filter(begun)
    return [
        Unfinished(connection, next(iter(connection.open_drafts), None))
        for connection in connections.prefetch_related(open_drafts)
    ]


def log_size(found: list[Account] | None = None) -> str:
    """How long the log is. No query beside accounts that were read."""
    return number_text(found[0].log_rows) if found else counted(SyncLogEntry.objects.all())


def counted(rows: QuerySet[Any]) -> str:
    """How many rows, exactly up to COUNTED: «2,492» or «10,000+». The one way in which the app's pages count."""
    return number_text(rows.order_by()[: COUNTED + 1].count())


def number_text(number: int) -> str:
    """The same of a number that was counted no further than one more than COUNTED."""
    return f"{COUNTED:,}+" if number > COUNTED else f"{number:,}"


def _log_rows() -> RawSQL:
    # Asked once, not for each account: nothing in it depends on one.
    count = "select count(*) from (select from connections_synclogentry limit %s) as counted"
    return RawSQL(count, [COUNTED + 1], output_field=IntegerField())  # noqa: S611
