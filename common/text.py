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
    """The same for every text inside parsed JSON, keys included. The value itself where nothing is to be replaced."""
    try:
        written = orjson.dumps(value)
    except TypeError:  # a lone surrogate, or a number beyond 64 bits
        return _storable_tree(value)
    return _storable_tree(value) if _NUL in written else value


def _storable_tree(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable_tree(item) for item in value]
    if isinstance(value, dict):
        return {_storable_tree(key): _storable_tree(item) for key, item in value.items()}
    return value


_NUL, _HALVES = b"\\u0000", (b"\\ud", b"\\uD")


def storable_json(raw: bytes) -> Any:
    """Parsed JSON whose texts can be stored; ValueError if it is none. Looks at each text only where one needs it."""
    try:
        parsed = loads(raw)
    except ValueError:
        # The quick parser refuses a lone surrogate, which is no reason to refuse what it stands in.
        return _storable_tree(json.loads(raw, parse_constant=_refuse))
    # Without a backslash there is neither; half an emoji may pass where a long number has the other parser read it all.
    if b"\\" not in raw:
        return parsed
    return _storable_tree(parsed) if _NUL in raw or any(half in raw for half in _HALVES) else parsed


def loads(text: str | bytes | bytearray | memoryview) -> Any:
    """Parsed JSON; ValueError if it is none. Numbers beyond 64 bits stay exact, which the quick parser cannot do."""
    raw = text.encode() if isinstance(text, str) else bytes(text)
    is_long = _NINETEEN_DIGITS in raw.translate(_DIGITS)
    return json.loads(raw.decode(), parse_constant=_refuse) if is_long else orjson.loads(raw)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON.")


# By a table instead of a pattern, which would take longer than the parser.
_DIGITS = bytes(ord("0") if chr(code).isdigit() else code for code in range(128)) + bytes(range(128, 256))
_NINETEEN_DIGITS = b"0" * 19
