"""Text from outside, made safe to store: PostgreSQL refuses NUL, UTF-8 refuses lone surrogates."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

REPLACEMENT = "\ufffd"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with NUL and lone surrogates as U+FFFD."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def storable_tree(value: Any) -> Any:
    """The same for every text inside parsed JSON, keys included."""
    if isinstance(value, str):
        return storable(value) if _UNSTORABLE.search(value) else value
    if isinstance(value, list):
        return [storable_tree(item) for item in value]
    if isinstance(value, dict):
        return {storable_tree(key): storable_tree(item) for key, item in value.items()}
    return value


def loads(text: str | bytes) -> Any:
    """Parsed JSON. Numbers beyond 64 bits stay exact, for which the quick parser has no place."""
    raw = text.encode() if isinstance(text, str) else text
    return json.loads(raw) if _LONG_NUMBER.search(raw) else orjson.loads(raw)


_LONG_NUMBER = re.compile(rb"\d{19}")
