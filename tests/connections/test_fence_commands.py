"""Setup files applied while batches of their accounts are under way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.db import transaction

from connections import fence
from connections.models import Connection, Resource
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.test_commands_connect import CHARGE, CUSTOMER, HEAD, PUBLIC
from tests.connections.test_fence import WRITING, one_long_batch
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connect_by(
    account: SandboxAccount, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[list[tuple[str | None, str, str]], str]]:
    """connect_by(text, *options): (resource, action, message) of each line, and what the command failed with."""
    settings.SITE_URL = PUBLIC
    monkeypatch.setenv("STRIPE_KEY", account.key)

    def command(words: str, *options: str) -> tuple[list[tuple[str | None, str, str]], str]:
        file, out, failed = tmp_path / "setup.toml", StringIO(), ""
        file.write_text(words)
        try:
            call_command("connect", str(file), *options, stdout=out)
        except CommandError as error:
            assert error.returncode == 1
            failed = str(error)
        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        return [(line["resource"], line["action"], line["message"]) for line in lines], failed

    return command


def test_a_prune_that_waits_too_long_says_so_and_does_the_rest(
    connect_by: Callable[..., Any], stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contract, “Setup file”: in words, with exit status 1."""
    monkeypatch.setenv("OTHER_KEY", stripe.account("other").key)
    other = HEAD.replace("Main shop", "Other shop").replace("STRIPE_KEY", "OTHER_KEY") + CUSTOMER
    connect_by(HEAD + CUSTOMER + CHARGE + other)
    with one_long_batch(Connection.objects.get(name="Main shop").pk):
        lines, failed = connect_by(HEAD + CUSTOMER, "--prune")
    (kind, action, message), *rest = lines[2:]
    assert (kind, action) == ("charge", "error") and message.startswith(WRITING)
    assert [line[:2] for line in rest] == [(None, "removed"), ("customer", "removed")]
    assert failed == "1 error: the rest is done. Run it again."
    lines, failed = connect_by(HEAD + CUSTOMER, "--prune")
    assert lines[2:] == [("charge", "removed", "")] and not failed


def test_a_command_does_not_wait_for_ever(connect_by: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract, “Setup file”: a command has no time limit of its own, and behind a batch that hangs it says so."""
    monkeypatch.setattr(fence, "OF_A_COMMAND", "100ms")
    connect_by(HEAD + CUSTOMER + CHARGE)
    with one_long_batch(Connection.objects.get().pk, patience="0"):
        lines, failed = connect_by(HEAD + CUSTOMER, "--prune")
    assert lines[2][:2] == ("charge", "error") and lines[2][2].startswith(WRITING)
    assert failed == "1 error: the rest is done. Run it again."


def test_a_file_whose_changes_wait_too_long_changes_nothing(connect_by: Callable[..., Any]) -> None:
    """The contract, “Setup file”: in words, with exit status 1."""
    connect_by(HEAD + CUSTOMER)
    before = Resource.objects.get().mapping_id
    changed = HEAD.replace("Main", "Mill") + CUSTOMER.replace('from = "name"', 'from = "description"')
    with one_long_batch(Connection.objects.get().pk):
        lines, failed = connect_by(changed)
    assert [line[1] for line in lines] == ["error"] and lines[0][2].startswith(WRITING)
    assert failed == "Nothing was changed: 1 error."
    assert Resource.objects.get().mapping_id == before and Connection.objects.get().name == "Main shop"


def test_what_a_refused_file_cannot_take_back_is_told(
    connect_by: Callable[..., Any], stripe: Sandbox, account: SandboxAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contract, “Setup file”: a batch that hangs keeps what the file had connected before it was refused."""
    second = stripe.account("second")
    monkeypatch.setenv("SECOND_KEY", second.key)
    monkeypatch.setattr(fence, "OF_A_COMMAND", "100ms")
    other = HEAD.replace("STRIPE_KEY", "SECOND_KEY").replace("Main", "Second") + CUSTOMER
    connect_by(HEAD + CUSTOMER + other)
    # Stripe takes its time to refuse the second account's endpoint; meanwhile a batch of the first one begins.
    stripe.faults(path="/v1/webhook_endpoints", account=second.id, status=400, latency=3000)
    with _a_batch_that_begins(lambda: Resource.objects.filter(kind="charge", connection__name="Main shop").exists()):
        lines, failed = connect_by(HEAD + CUSTOMER + CHARGE + other + CHARGE)
    assert [line[:2] for line in lines] == [("charge", "error"), ("charge", "error")]
    assert lines[1][2] == "Line 18: It was connected, and stays: a sync of this account is writing right now."
    assert failed == "Not everything could be taken back: a sync was writing. Run it again, with the mistake mended."
    assert list(Resource.objects.filter(kind="charge").values_list("connection__name", flat=True)) == ["Main shop"]
    lines, failed = connect_by(HEAD + CUSTOMER + CHARGE + other + CHARGE)
    assert [line[:2] for line in lines[1:3]] == [("customer", "unchanged"), ("charge", "unchanged")] and not failed


@contextmanager
def _a_batch_that_begins(when: Callable[[], bool]) -> Iterator[None]:
    """A batch of the account Main shop, from `when` on until the end."""
    over = threading.Event()

    def work() -> None:
        try:
            eventually(when)
            with transaction.atomic():
                fence.hold_together(Connection.objects.get(name="Main shop").pk)
                over.wait(20)
        finally:
            database.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)
