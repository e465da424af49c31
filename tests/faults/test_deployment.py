"""A new version is put in place while events come in (row 47)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.db import connection as database
from django.db import transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.loader import MigrationLoader

from common.origin import Origin
from connections.models import Connection, ConnectionStatus, InboundEvent
from connections.sources.stripe import translate
from contacts.models import Contact
from local.data import ROOT
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.test_any_order import happened
from tests.faults.audit import assert_clean
from tests.faults.conftest import unfinished
from tests.faults.machine import Machine
from tests.faults.test_crashes import Settled, burst, meanwhile
from tests.waiting import eventually


def test_a_deployment_in_the_middle(
    machine: Machine, connected: Connection, account: SandboxAccount, settled: Settled
) -> None:
    """Row 47: web, worker and beat are stopped in order and started anew while events come in."""
    machine.start_product()
    for _ in range(2):
        burst(account, len(account.events()) + 60)
        eventually(lambda: InboundEvent.objects.claimed().exists() or settled(), timeout=60)
        started = time.monotonic()
        machine.stop("web", "worker", "beat")
        assert time.monotonic() - started < 30
        for name in ("web", "worker", "beat"):
            machine.again(name)
    eventually(settled, timeout=120)
    machine.rest()
    assert_clean(account, again=True)
    assert not unfinished()


class VersionBefore:
    """What the version before does to the database, in statements of its models: they know no newer column.

    Its program is not at hand in a checkout, and neither is the SQL that it wrote without its models.
    """

    def __init__(self, models: Any, connection: Connection, account: SandboxAccount) -> None:
        self.models, self.connection, self.account = models, connection, account
        self.taken: set[str] = set()
        self.turns = 0

    def turn(self) -> None:
        """Webhooks are taken, a contact is made and one is edited, an account is connected."""
        self.turns += 1
        try:
            for event in self.account.events():
                if event["id"] not in self.taken and event["type"] in self.connection.endpoint_events:
                    self._take(event)
            self._make_and_edit()
            self._connect()
        finally:
            database.close()

    def _take(self, event: dict[str, Any]) -> None:
        body = json.dumps(event).encode()
        about = translate.envelope(translate.parse(body))
        row = self.models.get_model("connections", "InboundEvent")(
            connection_id=self.connection.pk,
            via=Origin.WEBHOOK,
            event_id=about.id,
            type=about.type,
            api_version=about.api_version,
            object_id=about.object_id,
            lane=about.lane,
            occurred_at=about.created,
            body=body,
        )
        type(row).objects.bulk_create([row], ignore_conflicts=True)
        self.taken.add(about.id)

    def _make_and_edit(self) -> None:
        """The edited one has all its columns written, as read under a lock; the workers write it too."""
        contacts = self.models.get_model("contacts", "Contact").objects
        address = f"by-hand-{self.turns}@mill.example"
        contacts.create(email=address, email_key=address)
        with transaction.atomic():
            contact = contacts.select_for_update().get(email="ada@mill.example")
            contact.custom["turn"], contact.version = self.turns, contact.version + 1
            contact.save()

    def _connect(self) -> None:
        with transaction.atomic():
            made = self.models.get_model("connections", "Connection").objects.create(
                account=f"acct_{self.turns}", name="Another", hook_token=f"hook-{self.turns}"
            )
            self.models.get_model("connections", "ConnectionStatus").objects.create(connection=made)


@contextmanager
def schema_before() -> Iterator[Any]:
    """The newest migration of each app of ours is undone. Yields the models of that state."""
    executor = MigrationExecutor(database)
    try:
        for migration, _ in executor.migration_plan(_one_back(executor.loader.graph)):
            state = executor.loader.project_state((migration.app_label, migration.name), at_end=False)
            executor.unapply_migration(state, migration)
        loader = MigrationLoader(database)
        yield loader.project_state([key for key in loader.applied_migrations if key in loader.graph.nodes]).apps
    finally:
        executor = MigrationExecutor(database)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0)


def _one_back(graph: MigrationGraph) -> list[tuple[str, str]]:
    ours = {config.label for config in apps.get_app_configs() if Path(config.path).parent == ROOT}
    newest = [graph.node_map[key] for key in graph.leaf_nodes() if key[0] in ours]
    return [parent.key for node in newest for parent in node.parents if parent.key[0] == node.key[0]]


def unfilled(models: Any) -> list[str]:
    """Columns that a row of the version before would have to fill and does not know, in any table of its."""
    known = {
        model._meta.db_table: {field.column for field in model._meta.local_fields} for model in models.get_models()
    }
    with database.cursor() as cursor:
        cursor.execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'public' "
            "and is_nullable = 'NO' and column_default is null and is_identity = 'NO' and is_generated = 'NEVER'"
        )
        return [f"{table}.{name}" for table, name in cursor.fetchall() if name not in known.get(table, {name})]


def test_a_migration_while_the_version_before_goes_on(
    machine: Machine, connected: Connection, account: SandboxAccount, stripe: Sandbox, settled: Settled
) -> None:
    """Row 47: the version before alone, beside the migration, and beside today's processes; at last these alone."""
    stripe.hold()
    Contact.objects.create(email="ada@mill.example", email_key="ada@mill.example")
    with schema_before() as models:
        before = VersionBefore(models, connected, account)
        with meanwhile(before.turn, lambda: 0.2):
            happened(account)
            eventually(lambda: before.turns > 2, what="the version before works")
            assert InboundEvent.objects.exists()
            call_command("migrate", verbosity=0)
            machine.start_product()
            stripe.deliveries(automatic=True)
            happened(account)
            eventually(settled, timeout=120)
        # Whatever it asks of a table, and makes in one, is still there and enough.
        assert unfilled(models) == []
        for model in models.get_models():
            list(model._default_manager.all()[:1])
    happened(account)
    eventually(settled, timeout=60)
    machine.rest()
    assert_clean(account)
    edited = Contact.objects.get(email="ada@mill.example")
    assert (edited.custom["turn"], edited.version) == (before.turns, before.turns + 1)
    assert Contact.objects.filter(email__startswith="by-hand-").count() == before.turns
    assert ConnectionStatus.objects.filter(connection__name="Another").count() == before.turns
