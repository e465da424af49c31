"""`rotate_field_keys`: reliability.md 4.2, secrets under a new key without a gap."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from common.encryption import SecretUnreadable, fingerprint
from connections import api
from connections.models import Connection, Resource
from sandbox.stripe import SandboxAccount

pytestmark = pytest.mark.django_db(transaction=True)


def rotate() -> str:
    out = StringIO()
    call_command("rotate_field_keys", stdout=out)
    return out.getvalue().strip()


def test_after_the_rotation_the_old_key_may_go(
    account: SandboxAccount, live_hook: None, connect: Callable[..., Resource], settings: Any
) -> None:
    connect("customer")
    old, new = settings.FIELD_KEYS[0], Fernet.generate_key().decode()
    signing = Connection.objects.get().open("webhook_secret")
    settings.FIELD_KEYS = [new, old]

    assert rotate() == "2 secrets sealed with the first key, 0 were already."
    settings.FIELD_KEYS = [new]

    connection = Connection.objects.get()
    key, secret = connection.open("api_key"), connection.open("webhook_secret")
    assert key and secret and signing
    assert (key.open(), secret.open()) == (account.key, signing.open())
    # The same key is still known for the same.
    assert connection.key_fingerprint == fingerprint(account.key)
    assert api.client_of(connection).get("/v1/account").data["id"] == account.id
    assert rotate() == "0 secrets sealed with the first key, 2 were already."


def test_a_stopped_rotation_goes_on_where_it_was(
    account: SandboxAccount, live_hook: None, connect: Callable[..., Resource], settings: Any
) -> None:
    connect("customer")
    settings.FIELD_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_KEYS]
    connection = Connection.objects.get()
    # As if it had been stopped after the first column.
    connection.seal("api_key", account.key)
    connection.save()
    assert rotate() == "1 secrets sealed with the first key, 1 were already."


def test_a_secret_no_key_opens_is_told_and_the_others_go_on(
    account: SandboxAccount, live_hook: None, connect: Callable[..., Resource], settings: Any
) -> None:
    connect("customer")
    new = Fernet.generate_key().decode()
    Connection.objects.update(webhook_secret_sealed=Fernet(Fernet.generate_key()).encrypt(b"lost"))
    settings.FIELD_KEYS = [new, *settings.FIELD_KEYS]
    with pytest.raises(CommandError, match=r"none of FIELD_KEYS.*connection \d+, webhook_secret"):
        rotate()
    settings.FIELD_KEYS = [new]
    connection = Connection.objects.get()
    assert connection.open("api_key")
    with pytest.raises(SecretUnreadable):
        connection.open("webhook_secret")
