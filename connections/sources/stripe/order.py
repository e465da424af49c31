"""Which of two states of one object is the newer, when the clock does not tell: Stripe's time has whole seconds."""

from __future__ import annotations

from typing import Any

from connections.sources.base import Json
from connections.sources.stripe import shapes

_LIFECYCLE: dict[str, dict[str, int]] = {
    "subscription": {
        "incomplete": 0,
        "trialing": 1,
        "active": 2,
        "past_due": 2,
        "unpaid": 2,
        "paused": 2,
        "incomplete_expired": 9,
        "canceled": 9,
    },
    "invoice": {"draft": 0, "open": 1, "uncollectible": 2, "paid": 9, "void": 9},
    "checkout_session": {"open": 0, "expired": 9, "complete": 9},
    "charge": {"pending": 0, "failed": 9, "succeeded": 9},
    "payment_intent": {"canceled": 9, "succeeded": 9},
}
_TERMINAL = 9
# Expanded in our lists, absent from events, and the same for the object's whole life.
_BROUGHT_ALONG = {"checkout_session": ("line_items",)}


def later(
    kind: str, held: Json, held_event: str, held_previous: Any, new: Json, new_event: str, previous: Any
) -> bool | None:
    """True if `new` is the later state, False if `held` is, None if the payloads do not tell."""
    if held == new:
        return True
    told = _by_lifecycle(kind, held, held_event, new, new_event)
    if told is not None:
        return told
    newer = bool(previous) and _contains(held, shapes.undo(new, previous))
    older = bool(held_previous) and _contains(new, shapes.undo(held, held_previous))
    return None if newer == older else newer


def completed(kind: str, body: Json, other: Json | None) -> Json:
    """The body with parts that only a list brings along and an event leaves out, from another state of the object.

    The same object if nothing is missing.
    """
    missing = {key: other[key] for key in _BROUGHT_ALONG.get(kind, ()) if other and key in other and key not in body}
    return body | missing if missing else body


def goes_back(kind: str, held: Json, new: Json) -> bool:
    """Would taking `new` undo what Stripe never undoes: a final state, or money already returned?"""
    ranks = _LIFECYCLE.get(kind, {})
    was, now = ranks.get(held.get("status", "")), ranks.get(new.get("status", ""))
    if was == _TERMINAL and now is not None and held.get("status") != new.get("status"):
        return True
    refunded, left = held.get("amount_refunded"), new.get("amount_refunded")
    return isinstance(refunded, int) and isinstance(left, int) and left < refunded


def _by_lifecycle(kind: str, held: Json, held_event: str, new: Json, new_event: str) -> bool | None:
    before, after = _stage(held_event), _stage(new_event)
    if before is not None and after is not None and before != after and (0 in (before, after) or 2 in (before, after)):
        return after > before
    ranks = _LIFECYCLE.get(kind, {})
    was, now = ranks.get(held.get("status", "")), ranks.get(new.get("status", ""))
    if was is not None and now is not None and was != now:
        return now > was
    refunded, returned = held.get("amount_refunded"), new.get("amount_refunded")
    if isinstance(refunded, int) and isinstance(returned, int) and refunded != returned:
        return returned > refunded
    return None


def _stage(event_type: str) -> int | None:
    """0 created, 1 changed, 2 deleted; None for a state that came without an event."""
    if not event_type:
        return None
    last = event_type.rpartition(".")[2]
    return {"created": 0, "deleted": 2}.get(last, 1)


def _contains(whole: Json, part: Json) -> bool:
    """Equal, not minding keys that only one rendering has."""
    return all(whole[key] == value for key, value in part.items() if key in whole)
