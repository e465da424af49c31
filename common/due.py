"""One queue for all work: rows with a lease, a claim number and a time when they are due.

PostgreSQL holds every piece of work. A worker claims rows for a short while; a claim number fences out a worker that
lost its lease; a row whose worker died comes back by itself and is tried in ever smaller company, at last alone.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any, ClassVar, Self, TypeVar

from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Now

from common import rows

LEASE = timedelta(seconds=60)
MAX_CLAIMS = 4
# Clean failures wait this long before the next try, each ± 20 %; after the last one the row is dead.
BACKOFF = [10, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200]


class State(models.TextChoices):
    """Where a row stands. `waiting` rows are released by somebody else; `dead` ones only by a person."""

    DUE = "due", "Due"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting"
    HELD = "held", "Held"
    DONE = "done", "Done"
    IGNORED = "ignored", "Ignored"
    DEAD = "dead", "Dead"


Row = TypeVar("Row", bound="DueRow")


class DueQuerySet(models.QuerySet[Row]):
    def due(self) -> Self:
        return self.filter(state=State.DUE, next_attempt_at__lte=Now())

    def claimed(self) -> Self:
        return self.filter(state=State.RUNNING)

    def expired(self) -> Self:
        """Claimed by a worker that let its lease run out."""
        return self.claimed().filter(lease_until__lt=Now())

    def release_expired(self) -> list[int]:
        """Give back rows whose worker let its lease run out; set aside those that took too many workers along.

        Returns the primary keys of those set aside.
        """
        with transaction.atomic():
            expired = list(self.expired().select_for_update(skip_locked=True).values_list("pk", "claims"))
            self.filter(pk__in=[pk for pk, claims in expired if claims < MAX_CLAIMS]).update(
                state=State.DUE, next_attempt_at=Now(), last_error_code="worker_lost"
            )
            dead = [pk for pk, claims in expired if claims >= MAX_CLAIMS]
            self.filter(pk__in=dead).update(
                state=State.DEAD,
                last_error_code="worker_lost",
                last_error=f"The worker stopped {MAX_CLAIMS} times while it worked on this.",
            )
        return dead

    def claim(self, limit: int) -> list[Any]:
        """Claim up to `limit` due rows for LEASE. Suspects (rows that lost a worker) come one at a time.

        A row claimed once and not finished is claimed among ten, later alone, so a row that kills its worker takes
        no other with it in the end.
        """
        return self.claim_suspects(limit) or self.claim_fresh(limit)

    def claim_suspects(self, limit: int) -> list[Any]:
        due = self.due()
        # Nearly always nobody is suspected, which a partial index tells at once.
        if not due.filter(claims__gt=0).exists():
            return []
        return due._take(Q(claims__gte=2), 1) or due._take(Q(claims=1), min(limit, 10))

    def claim_fresh(self, limit: int) -> list[Any]:
        """Only rows that never lost a worker."""
        return self.due()._take(Q(claims=0), limit)

    def _take(self, which: Q, limit: int) -> list[Any]:
        """Claim in one statement, in the order in which rows became due."""
        chosen = self.filter(which).order_by("next_attempt_at", "pk").select_for_update(skip_locked=True, of=("self",))
        with transaction.atomic():
            inner, parameters = chosen.values("id")[:limit].query.sql_with_params()
            claimed = rows.built(
                self.model,
                f"with mine as materialized ({inner}) update {self.model._meta.db_table} as t set "  # noqa: S608
                "state = %s, claim_no = t.claim_no + 1, claims = t.claims + 1, "
                "lease_until = statement_timestamp() + %s from mine where t.id = mine.id "
                f"returning {rows.columns(self.model, 't')}",
                [*parameters, State.RUNNING.value, LEASE],
            )
            return sorted(claimed, key=lambda row: (row.next_attempt_at, row.pk))


class DueManager(models.Manager[Row]):
    """The queue's questions, asked of all rows. Written out, as the type checker sees through no made manager."""

    def get_queryset(self) -> DueQuerySet[Row]:
        return DueQuerySet(self.model, using=self._db)

    def due(self) -> DueQuerySet[Row]:
        return self.get_queryset().due()

    def claimed(self) -> DueQuerySet[Row]:
        return self.get_queryset().claimed()

    def expired(self) -> DueQuerySet[Row]:
        return self.get_queryset().expired()

    def claim(self, limit: int) -> list[Any]:
        return self.get_queryset().claim(limit)

    def release_expired(self) -> list[int]:
        return self.get_queryset().release_expired()


class DueRow(models.Model):
    """A row that is work. Times are the database's, so clocks of hosts need not agree."""

    state = models.CharField(max_length=8, choices=State.choices, default=State.DUE)
    claim_no = models.PositiveIntegerField(default=0, help_text="+1 at every claim: a fencing token")
    claims = models.PositiveSmallIntegerField(default=0, help_text="claims since the last clean end: suspicion")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="clean failures")
    lease_until = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(db_default=Now())
    last_error_code = models.CharField(max_length=60, blank=True, default="")
    last_error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        abstract = True

    due_fields: ClassVar[list[str]] = [
        "state",
        "claims",
        "attempts",
        "next_attempt_at",
        "last_error_code",
        "last_error",
    ]

    def mark(self, state: State, *, code: str = "", error: str = "") -> None:
        """End the claim cleanly. Nothing happens if the claim has passed to another worker."""
        self._write(state=state, claims=0, lease_until=None, last_error_code=code[:60], last_error=error[:500])

    def later(self, delay: timedelta, *, code: str = "", error: str = "") -> None:
        """Put the row back for `delay`, without counting an attempt (a wait that is nobody's failure)."""
        self._write(
            state=State.DUE,
            claims=0,
            lease_until=None,
            next_attempt_at=Now() + delay,
            last_error_code=code[:60],
            last_error=error[:500],
        )

    def failed(self, *, code: str, error: str, permanent: bool = False) -> State:
        """Count a clean failure: back off, or set the row aside when that cannot help. Returns the new state."""
        if permanent or self.attempts >= len(BACKOFF):
            self._write(
                state=State.DEAD,
                claims=0,
                attempts=self.attempts + 1,
                lease_until=None,
                last_error_code=code[:60],
                last_error=error[:500],
            )
            return State.DEAD
        seconds = BACKOFF[self.attempts] * random.uniform(0.8, 1.2)  # noqa: S311  spreads retries, guards nothing
        self._write(
            state=State.DUE,
            claims=0,
            attempts=self.attempts + 1,
            lease_until=None,
            next_attempt_at=Now() + timedelta(seconds=seconds),
            last_error_code=code[:60],
            last_error=error[:500],
        )
        return State.DUE

    def _write(self, **values: Any) -> bool:
        manager = type(self)._default_manager
        # Nobody else has claimed what was set aside since, or taken back, but it is no longer this worker's either.
        mine = manager.filter(pk=self.pk, claim_no=self.claim_no, state=State.RUNNING)
        return bool(mine.update(**values))


def database_now() -> Any:
    """The database's clock, aware. Every lease and due time is compared with it."""
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        return cursor.fetchone()[0]
