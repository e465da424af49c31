"""Stored secrets under a new key: every column that holds one, row by row, so that it may be stopped and run again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db.models import BinaryField, Model

from common import encryption
from connections.models import Connection


@dataclass
class Resealed:
    """How many secrets were sealed anew, how many were already, and which open with no key at all."""

    changed: int = 0
    already: int = 0
    unreadable: list[str] = field(default_factory=list)


def reseal_all() -> Resealed:
    """Seal every secret with the first key of FIELD_KEYS. The other keys may go when none is unreadable."""
    found = Resealed()
    first = Fernet(settings.FIELD_KEYS[0])
    for model, column in sealed_columns():
        for pk in model._default_manager.exclude(**{column: None}).order_by("pk").values_list("pk", flat=True):
            _reseal(model, column, pk, first, found)
    for connection in Connection.objects.exclude(api_key_sealed=None):
        _refresh_fingerprint(connection)
    return found


def sealed_columns() -> Iterator[tuple[type[Model], str]]:
    """Every column of every model that holds a sealed secret: those named …_sealed."""
    for model in apps.get_models():
        for column in model._meta.local_fields:
            if isinstance(column, BinaryField) and column.name.endswith("_sealed"):
                yield model, column.name


def _reseal(model: type[Model], column: str, pk: int, first: Fernet, found: Resealed) -> None:
    rows = model._default_manager.filter(pk=pk)
    token = rows.values_list(column, flat=True).first()
    if token is None:
        return
    if _opens(first, bytes(token)):
        found.already += 1
        return
    try:
        # Only over what was read: a key that is replaced meanwhile is sealed with the first key already.
        found.changed += rows.filter(**{column: token}).update(**{column: encryption.reseal(token)})
    except InvalidToken:
        found.unreadable.append(f"{model._meta.verbose_name} {pk}, {column.removesuffix('_sealed')}")


def _opens(key: Fernet, token: bytes) -> bool:
    try:
        key.decrypt(token)
    except InvalidToken:
        return False
    return True


def _refresh_fingerprint(connection: Connection) -> None:
    """Fingerprints are made with the first key, too."""
    try:
        key = connection.open("api_key")
    except encryption.SecretUnreadable:
        return
    if key and connection.key_fingerprint != (now := encryption.fingerprint(key.open())):
        Connection.objects.filter(pk=connection.pk, key_fingerprint=connection.key_fingerprint).update(
            key_fingerprint=now
        )
