"""A setup file's plan made real: everything is checked at Stripe first, and what a late refusal left is taken back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from django.db import transaction

from common import encryption
from connections import delivery, fence, historical, setup, webhooks
from connections.models import Connection, Resource
from connections.setup import Choice
from connections.setup_file import Plan, WantedConnection, WantedResource
from connections.setup_reading import Path, Problem, Refused
from connections.setup_undo import Undo
from connections.sources.base import SourceError
from connections.sources.stripe import SOURCE, account, events
from connections.sources.stripe.account import Account
from connections.sources.stripe.client import Client
from connections.sources.stripe.listing import LISTINGS
from contacts import custom_fields
from users import audit

CREATED, UPDATED, UNCHANGED, REMOVED, ERROR = "created", "updated", "unchanged", "removed", "error"
_VERBS = {
    (CREATED, False): "connected account",
    (UPDATED, False): "changed account",
    (REMOVED, False): "disconnected account",
    (CREATED, True): "connected resource",
    (UPDATED, True): "changed resource",
    (REMOVED, True): "disconnected resource",
}


@dataclass(frozen=True)
class Line:
    """What became of one connection, or of one resource of it. The keys are public: docs/contract.md."""

    connection: str
    account: str
    resource: str | None
    action: str
    message: str = ""


@dataclass
class _Target:
    """An entry of the file, the account its key opens, and our row for that account."""

    wanted: WantedConnection
    found: Account
    was: str | None
    connection: Connection | None
    changes: list[str] = field(default_factory=list)

    @property
    def is_new(self) -> bool:
        return self.was not in (Connection.State.ACTIVE, Connection.State.AUTH_FAILED)

    @property
    def row(self) -> Connection:
        """As it stands now: other functions write it through instances of their own."""
        assert self.connection  # noqa: S101  set before anything is written
        return Connection.objects.get(pk=self.connection.pk)


def apply(plan: Plan, *, prune: bool = False) -> list[Line]:
    """Bring connections in step with the file. Refused, with nothing changed, if that cannot be done.

    With `prune`, what the file omits is disconnected, or has a line that says why not; what it brought stays.
    """
    targets = _opened(plan)
    lines = _Applying(plan).run(targets)
    if prune:
        lines += list(_pruned(targets))
    for line in lines:
        if verb := _VERBS.get((line.action, bool(line.resource))):
            audit.record(None, verb, line.connection, account=line.account, resource=line.resource, note=line.message)
    return lines


def _opened(plan: Plan) -> list[_Target]:
    """The account behind each key, asked of Stripe. Nothing is written."""
    problems: list[Problem] = []
    targets: list[_Target] = []
    for wanted in plan.connections:
        try:
            found = account.behind(wanted.key.open())
        except SourceError as error:
            problems.append(_problem(plan, (*wanted.path, "key_env"), error.message, wanted))
            continue
        known = Connection.objects.filter(source=SOURCE, account=found.id, is_test=found.is_test).first()
        target = _Target(wanted, found, known.state if known else None, known)
        problems += _contradictions(plan, target, targets)
        targets.append(target)
    if problems:
        raise Refused(problems)
    return targets


def _contradictions(plan: Plan, target: _Target, others: list[_Target]) -> Iterator[Problem]:
    wanted, found = target.wanted, target.found
    if any((other.found.id, other.found.is_test) == (found.id, found.is_test) for other in others):
        yield _problem(plan, wanted.path, f"{found.name} stands in this file already.", wanted, found.id)
    if target.is_new and not wanted.resources:
        yield _problem(plan, wanted.path, "A new connection needs a [[connection.resource]].", wanted, found.id)
    for one in wanted.resources:
        if LISTINGS[one.kind].permission in found.missing:
            words = f"The key lacks the permission {LISTINGS[one.kind].permission}, which this resource needs."
            yield _problem(plan, one.path, words, wanted, found.id, one.kind)


class _Applying:
    """One application. `undo` takes back what others can see; `last` is written in one transaction at the end."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.undo = Undo()
        self.last: list[Callable[[], object]] = []

    def run(self, targets: list[_Target]) -> list[Line]:
        with self.undo:
            self._make_fields()
            for target in targets:
                self._reach(target)
            lines = [line for target in targets for line in self._settle(target)]
            self._write(targets)
        return lines

    def _write(self, targets: list[_Target]) -> None:
        """What waited for the end, in one transaction, for which the accounts are held before any row of theirs is."""
        try:
            with transaction.atomic():
                for pk in sorted({target.row.pk for target in targets}) if self.last else []:
                    fence.hold_alone(pk)
                for write in self.last:
                    write()
        except fence.Busy as busy:
            raise Refused([Problem(busy.message)]) from busy

    def _make_fields(self) -> None:
        for one in self.plan.fields:
            self.undo.later(partial(custom_fields.delete, custom_fields.add(one)))
            audit.record(None, "created field", one, key=one.key, type=one.type)

    def _reach(self, target: _Target) -> None:
        """Have the row, and Stripe's word that it takes our endpoint, before anything else is done for any account."""
        wanted = target.wanted
        with self._telling(target, (*wanted.path, "delivery")):
            if target.is_new:
                existed = target.connection is not None
                target.connection = setup.connect(wanted.key.open(), name=wanted.name)
                step = partial(_withdraw, target.connection.pk, existed=existed)
                self.undo.later(step, self._left(target, wanted.path))
            row = target.row
            wish = wanted.delivery or row.delivery
            if not target.is_new and wish == row.delivery:
                return
            # Enough to make an endpoint; each resource that is added widens it.
            first = {one.kind: _types(one) for one in wanted.resources[:1]} if target.is_new else {}
            before = (row.delivery, row.polls)
            if not target.is_new:
                self.undo.later(partial(delivery.restore, row.pk, row.delivery))
            delivery.deliver(row, wish, first, Client(wanted.key.open()))
            if before != (row.delivery, row.polls):
                target.changes.append("delivery")

    def _settle(self, target: _Target) -> Iterator[Line]:
        with self._telling(target, target.wanted.path):
            self._key_and_name(target)
        resources = [self._resource(target, one) for one in target.wanted.resources]
        row = target.row
        action = CREATED if target.is_new else UPDATED if target.changes else UNCHANGED
        note = row.endpoint_error or ("Events are polled." if row.polls else "")
        told = note if target.is_new else f"Changed: {', '.join(target.changes)}." if target.changes else ""
        yield Line(target.wanted.name or row.name, row.account, None, action, told)
        yield from resources

    def _key_and_name(self, target: _Target) -> None:
        row, name = target.row, target.wanted.name
        if target.is_new:
            return
        if row.state == Connection.State.AUTH_FAILED or row.key_fingerprint != encryption.fingerprint(
            target.wanted.key.open()
        ):
            setup.replace_key(row, target.wanted.key.open())
            target.changes.append("key")
        if name and name != row.name:
            self.last.append(lambda: Connection.objects.filter(pk=row.pk).update(name=name))
            target.changes.append("name")

    def _resource(self, target: _Target, wanted: WantedResource) -> Line:
        row = target.row
        held = row.resources.active().filter(kind=wanted.kind).select_related("mapping").first()
        with self._telling(target, wanted.path, wanted.kind):
            if held is None:
                return self._add(target, row, wanted)
            changes = self._change(held, wanted)
        label = target.wanted.name or row.name
        told = f"Changed: {', '.join(changes)}." if changes else ""
        return Line(label, row.account, wanted.kind, UPDATED if changes else UNCHANGED, told)

    def _add(self, target: _Target, row: Connection, wanted: WantedResource) -> Line:
        sync = wanted.sync or Resource.Sync.HISTORY_AND_NEW
        choice = Choice(wanted.kind, sync, wanted.data or Resource.Data.ALL, _types(wanted), wanted.rows)
        resource = setup.add_resource(row, choice)
        self.undo.later(partial(setup.remove_resource, resource), self._left(target, wanted.path, wanted.kind))
        told = "The import of its history has begun." if sync == Resource.Sync.HISTORY_AND_NEW else ""
        return Line(target.wanted.name or row.name, row.account, wanted.kind, CREATED, told)

    def _change(self, held: Resource, wanted: WantedResource) -> list[str]:
        """What is to change, in words. Only the events are Stripe's business; the rest waits for the end."""
        changes = []
        types = held.events if wanted.events is None else wanted.events
        data = wanted.data or held.data
        if set(types) != set(held.events):
            changes.append("events")
        if data != held.data:
            changes.append("data")
        if changes:
            self.undo.later(partial(_change_quietly, held.pk, list(held.events), held.data))
            setup.change_resource(held, events=types, data=data)
        if held.mapping is None or held.mapping.rows != wanted.rows:
            changes.append("mapping")
            self.last.append(lambda: setup.write_mapping(held, wanted.rows))
        if wanted.sync and wanted.sync != held.sync:
            changes.append("sync")
            self.last.append(lambda: historical.change_sync(held, str(wanted.sync)))
        return changes

    def _left(self, target: _Target, path: Path, kind: str | None = None) -> Problem:
        words = "It was connected, and stays: a sync of this account is writing right now."
        return _problem(self.plan, path, words, target.wanted, target.found.id, kind)

    @contextlib.contextmanager
    def _telling(self, target: _Target, path: Path, kind: str | None = None) -> Iterator[None]:
        """Stripe's refusals as the file's."""
        try:
            yield
        except webhooks.EndpointCap as cap:
            words = (
                f"Stripe already has {cap.count} webhook endpoints and takes no more. Delete or disable one in Stripe,"
                ' or write delivery = "polling".'
            )
            raise self._refused(target, path, words, kind) from cap
        except SourceError as error:
            raise self._refused(target, path, error.message, kind) from error

    def _refused(self, target: _Target, path: Path, words: str, kind: str | None) -> Refused:
        return Refused([_problem(self.plan, path, words, target.wanted, target.found.id, kind)])


def _types(wanted: WantedResource) -> list[str]:
    return events.defaults(wanted.kind) if wanted.events is None else wanted.events


def _change_quietly(pk: int, types: list[str], data: str) -> None:
    with contextlib.suppress(SourceError, webhooks.EndpointCap):
        setup.change_resource(Resource.objects.get(pk=pk), events=types, data=data)


def _withdraw(pk: int, *, existed: bool) -> None:
    """Take a new connection back: endpoint, key and all; one that never was there leaves no row."""
    connection = Connection.objects.get(pk=pk)
    setup.disconnect(connection)
    if not existed and not connection.resources.exists():
        connection.delete()


def _pruned(targets: list[_Target]) -> Iterator[Line]:
    """Disconnect what the file does not name. What a batch under way stands against too long is told, and stays."""
    for target in targets:
        row = target.row
        kinds = [one.kind for one in target.wanted.resources]
        for resource in row.resources.active().exclude(kind__in=kinds):
            yield _removed(row, resource.kind, partial(setup.remove_resource, resource))
    named = [target.row.pk for target in targets]
    for connection in Connection.objects.connected().exclude(pk__in=named):
        kinds = list(connection.resources.active().values_list("kind", flat=True))
        line = _removed(connection, None, partial(setup.disconnect, connection))
        yield line
        for kind in kinds if line.action == REMOVED else []:
            yield Line(connection.name, connection.account, kind, REMOVED)


def _removed(row: Connection, kind: str | None, remove: Callable[[], str | None]) -> Line:
    try:
        return Line(row.name, row.account, kind, REMOVED, remove() or "")
    except fence.Busy as busy:
        return Line(row.name, row.account, kind, ERROR, busy.message)


def _problem(
    plan: Plan, path: Path, words: str, wanted: WantedConnection, account_id: str | None = None, kind: str | None = None
) -> Problem:
    return Problem(f"Line {plan.line(path)}: {words}", wanted.label, account_id, kind)
