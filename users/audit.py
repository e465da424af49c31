"""Writing down what a person did. Call it inside the transaction of the deed, so that both stand or neither does."""

from __future__ import annotations

from typing import Any

import structlog
from django.db.models import Model
from django.http import HttpRequest

from users.models import AuditEntry, User


def record(
    by: HttpRequest | User | None, action: str, obj: Model | str | None = None, /, **changes: tuple[Any, Any] | Any
) -> AuditEntry:
    """One entry, for ever. `by` is the request, a user, or None for a command at the terminal.

    `action` is a verb in the past ("invited", "disconnected account"). Of `changes` a pair is (before, after), anything
    else the new value; values must fit JSON, and no key or secret belongs among them.
    """
    request = by if isinstance(by, HttpRequest) else None
    user = getattr(request, "user", None) if request else by
    known = user if isinstance(user, User) else None
    return AuditEntry.objects.create(
        user=known,
        who=known.email if known else ("somebody signed out" if request else "command line"),
        role=known.role if known else "",
        action=action,
        changes={name: _change(value) for name, value in changes.items()},
        ip=_address(request),
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", ""))[:100],
        **_object(obj),
    )


def _object(obj: Model | str | None) -> dict[str, str]:
    if isinstance(obj, Model):
        return {"object_type": obj._meta.label_lower, "object_id": str(obj.pk), "object_label": str(obj)[:300]}
    return {"object_label": str(obj or "")[:300]}


def _change(value: tuple[Any, Any] | Any) -> dict[str, Any]:
    if isinstance(value, tuple):
        before, after = value
        return {"old": before, "new": after}
    return {"new": value}


def _address(request: HttpRequest | None) -> str | None:
    """The client as allauth's limits see it, so that a forged header changes neither."""
    if request is None:
        return None
    from allauth.account.adapter import get_adapter

    address: str = get_adapter().get_client_ip(request)
    return address
