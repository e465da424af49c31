"""Whose customer a contact can be: the sources and accounts that contacts came from, by name."""

from __future__ import annotations

from common.filters import distinct
from common.record_fields import source_name
from connections.models import Connection
from contacts.models import Identity


def customer_choices() -> list[tuple[str, str]]:
    """(value, words): each source, and where it has several accounts each of them. Read from two indexes."""
    names = _account_names()
    origins = sorted({(source, account) for source, account in distinct(Identity, "source", "account")} | set(names))
    choices: list[tuple[str, str]] = []
    for source in sorted({source for source, _ in origins}):
        accounts = [account for found, account in origins if found == source and account]
        choices.append((source, f"{source_name(source)}, any account" if len(accounts) > 1 else source_name(source)))
        if len(accounts) > 1:
            choices += [(f"{source}:{one}", _named(source, one, names)) for one in accounts]
    return choices


def customer_name(value: str) -> str:
    """«Stripe», or «Stripe: Northwind Studio» for one account."""
    source, _, account = value.partition(":")
    return _named(source, account, _account_names()) if account else source_name(source)


def _named(source: str, account: str, names: dict[tuple[str, str], str]) -> str:
    return f"{source_name(source)}: {names.get((source, account)) or account}"


def _account_names() -> dict[tuple[str, str], str]:
    return {(one.source, one.account): str(one) for one in Connection.objects.all()}
