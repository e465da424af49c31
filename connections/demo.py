"""The account that the demo begins with: connected once, from a setup file, and then left to the user."""

from __future__ import annotations

from pathlib import Path

from connections import setup_apply, setup_file
from connections.models import Resource
from connections.setup_apply import Line
from connections.sources.stripe import account

FILE = Path(__file__).parent / "demo.toml"


def seed(key: str) -> list[Line]:
    """Connect the account of this key with all five resources. Nothing if that was done before, whatever became of it.

    Refused, SourceError: the sandbox does not take the key.
    """
    found = account.behind(key)
    known = Resource.objects.filter(connection__account=found.id, connection__is_test=found.is_test)
    if known.count() == len(Resource.Kind):
        return []
    return setup_apply.apply(setup_file.read(FILE.read_text(encoding="utf-8"), {"DEMO_STRIPE_KEY": key}))
