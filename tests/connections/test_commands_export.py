"""`export`: contract.md, “Export, one JSON object a line”; cells as reliability.md 4.5."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from connections.export import EXPORTS
from connections.models import Resource, SyncLogEntry
from contacts.models import Contact, CustomField
from local.data import ROOT
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work
from tests.live import process_environment
from users.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)

Rows = list[dict[str, Any]]
KEYS = {
    "contacts": "id email first_name last_name phone tags lists fields sources created_at updated_at",
    "sync_runs": "connection resource state started_at finished_at "
    "seen created updated unchanged skipped failed message",
    "sync_log": "time occurred_at connection via event_id event_type object_id contact_email result reason changes",
    "activities": "time contact_email kind summary data",
}


def export(what: str, *options: str) -> str:
    out = StringIO()
    call_command("export", what, *options, stdout=out)
    return out.getvalue()


def rows(what: str) -> Rows:
    return [json.loads(line) for line in export(what).splitlines()]


@pytest.fixture
def synced(
    account: SandboxAccount,
    stripe: Sandbox,
    live_hook: None,
    connect: Callable[..., Resource],
    deliver: Callable[[], Any],
) -> SandboxAccount:
    """One customer by history, one by webhook, who then changed the phone."""
    stripe.set_clock(-60)
    account.create_customer(email="old@mill.example", name="Old Hand")
    stripe.set_clock(0)
    stripe.discard()
    connect("customer", sync="history_and_new")
    deliver()
    new = account.create_customer(email="new@mill.example", name='=HYPERLINK("http://evil.example") Ümit')
    deliver()
    account.update_customer(new["id"], phone="+49 30 901820")
    deliver()
    return account


def test_every_export_has_the_keys_of_the_contract(synced: SandboxAccount) -> None:
    assert set(EXPORTS) == {*KEYS, "orders", "recurring_payments"}
    for what, keys in KEYS.items():
        found = rows(what)
        assert found and all(list(row) == keys.split() for row in found)


def test_orders_and_recurring_payments_are_exported(
    account: SandboxAccount, stripe: Sandbox, live_hook: None, connect: Callable[..., Resource]
) -> None:
    """Amounts as decimal strings of the major unit, currencies upper-case, missing as null."""
    connect("subscription")
    connect("invoice")
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    account.subscribe(customer["id"], amount=2900, currency="eur", product="Mill Pro")
    stripe.deliver()
    work()
    (order,) = rows("orders")
    assert list(order) == [
        "source", "account", "external_id", "contact_email", "status", "currency",
        "total", "tax", "discount", "shipping", "refunded", "items", "placed_at",
    ]  # fmt: skip
    assert (order["contact_email"], order["status"], order["total"]) == ("ada@mill.example", "paid", "29.00")
    (recurring,) = rows("recurring_payments")
    assert list(recurring)[:4] == ["contact_email", "source", "account", "legacy_connection_id"]
    assert (recurring["payment_amount"], recurring["currency"], recurring["name"]) == ("29.00", "EUR", "Mill Pro")
    assert recurring["cancelled_date"] is None and len(recurring) == 3 + 60
    for what in ("orders", "recurring_payments"):
        assert export(what, "--format", "csv").count("ada@mill.example") >= 1


def test_the_sync_log_has_one_row_per_event_or_history_record(synced: SandboxAccount) -> None:
    """History has no event_id and event_type; changes are [{field, old, new}]; times are ISO 8601 UTC."""
    history, created, updated = rows("sync_log")
    assert (history["via"], history["event_id"], history["event_type"]) == ("history", None, None)
    assert (created["via"], created["event_type"], created["result"]) == ("webhook", "customer.created", "created")
    assert (created["connection"], created["contact_email"]) == ("main", "new@mill.example")
    assert updated["changes"] == [{"field": "phone", "old": None, "new": "+49 30 901820"}]
    assert updated["reason"] is None and updated["occurred_at"].endswith("Z") and updated["time"].endswith("Z")


def test_a_sync_run_is_told_with_its_counts(synced: SandboxAccount) -> None:
    (run,) = rows("sync_runs")
    assert (run["connection"], run["resource"], run["state"], run["message"]) == ("main", "customer", "done", None)
    assert (run["seen"], run["created"], run["failed"]) == (1, 1, 0)
    assert run["started_at"] <= run["finished_at"]


def test_csv_runs_nothing_in_a_spreadsheet(synced: SandboxAccount) -> None:
    text = export("contacts", "--format", "csv")
    assert text.startswith("\ufeff")
    found = list(csv.DictReader(StringIO(text.removeprefix("\ufeff"), newline="")))
    danger = next(row for row in found if row["email"] == "new@mill.example")
    assert danger["first_name"].startswith("'=HYPERLINK") and "Ümit" in text
    assert danger["phone"] == "'+49 30 901820"
    assert json.loads(export("contacts").splitlines()[1])["first_name"].startswith("=HYPERLINK")


@pytest.mark.parametrize("what", list(KEYS))
def test_csv_has_a_head_and_one_line_a_row(synced: SandboxAccount, what: str) -> None:
    found = list(csv.reader(StringIO(export(what, "--format", "csv").removeprefix("\ufeff"), newline="")))
    assert len(found) == len(rows(what)) + 1
    assert {len(row) for row in found} == {len(found[0])}


def test_a_file_is_complete_or_not_there(synced: SandboxAccount, tmp_path: Path) -> None:
    out = tmp_path / "log.jsonl"
    assert export("sync_log", "--out", str(out)) == ""
    assert len(out.read_text(encoding="utf-8").splitlines()) == 3
    assert oct(out.stat().st_mode & 0o777) == "0o600"
    SyncLogEntry.objects.update(changes=[1])
    with pytest.raises(AttributeError):
        export("sync_log", "--out", str(out))
    assert len(out.read_text(encoding="utf-8").splitlines()) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_place_that_cannot_be_written_is_told(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written: No such file"):
        export("contacts", "--out", str(tmp_path / "none" / "x.jsonl"))


def test_an_unknown_export_is_told_with_those_that_exist(db: None) -> None:
    with pytest.raises(CommandError, match=r"There is no export “invoices”\. There are: contacts, sync_runs, sync_log"):
        export("invoices")


def test_an_export_is_written_down(synced: SandboxAccount) -> None:
    """reliability.md 4.5: an audit row with the count."""
    export("contacts", "--format", "csv")
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.object_label, entry.who) == ("exported contacts", "2 rows", "command line")


def test_a_big_export_needs_no_more_memory_than_a_small_one(db: None, tmp_path: Path) -> None:
    """Streams: 20 MB of contacts take less than 8 MB more than 8 MB do; the locale does not matter."""
    CustomField.objects.create(key="note", label="Note")
    peaks = []
    for count in (3_000, 5_000):
        Contact.objects.bulk_create(
            [Contact(first_name=f"Ümit {number}", custom={"note": f"{number}" + "x" * 2500}) for number in range(count)]
        )
        peaks.append(_peak_kilobytes(tmp_path / f"{count}.jsonl"))
    big = tmp_path / "5000.jsonl"
    assert len(big.read_text(encoding="utf-8").splitlines()) == 8_000
    assert big.stat().st_size > 20_000_000
    assert peaks[1] - peaks[0] < 8_000


def _peak_kilobytes(out: Path) -> int:
    """Peak memory of `export contacts` in a process of its own, under a locale that knows no umlaut."""
    program = (
        "import re, sys; from django.core.management import execute_from_command_line as run;"
        "run(['manage.py', 'export', 'contacts']);"
        # Not getrusage: its peak begins with that of the process that started this one.
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr)"
    )
    environment = {**process_environment(), "DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONIOENCODING": "ascii"}
    environment.pop("PYTHONUTF8", None)
    with out.open("wb") as file:
        ended = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.PIPE,
            check=True,
            timeout=60,
        )
    return int(ended.stderr.split()[-1])
