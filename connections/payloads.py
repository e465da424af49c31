"""What came from the source, as text a person can read: pretty where it can be parsed, as it is where not."""

from __future__ import annotations

import json
from typing import Any

from common.text import storable, storable_tree

LONGEST = 200_000
MASK = "…"
_SECRET_KEYS = ("secret", "client_secret", "api_key")
_SECRET_PREFIXES = ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_")


def as_text(body: bytes) -> str:
    """A raw body, indented if it is JSON; else decoded byte for byte, whatever is in it. Secrets are masked."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return storable(bytes(body).decode("utf-8", errors="replace"))[:LONGEST]
    return pretty(content)


def pretty(content: Any) -> str:
    try:
        return json.dumps(storable_tree(_masked(content)), indent=2, ensure_ascii=False)[:LONGEST]
    except RecursionError:
        return "This payload is nested too deeply to be shown."


def _masked(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _masked(content, name) for name, content in value.items()}
    if isinstance(value, list):
        return [_masked(content, key) for content in value]
    if isinstance(value, str) and (key in _SECRET_KEYS or value.startswith(_SECRET_PREFIXES)):
        return MASK
    return value
