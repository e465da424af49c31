"""Logs: one JSON object a line, without keys and without lines that a stranger wrote."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from config.logs import logging_settings, redacted

# Put together at run time, so that no key-like text stands in the repository.
KEYS = ["_".join(parts) + "_4eC39HqLyjWDarjtT1zdp7dc" for parts in (("sk", "live"), ("rk", "test"), ("pk", "live"))]
KEYS += ["_".join(("whsec", "4eC39HqLyjWDarjtT1zdp7dc"))]


@pytest.fixture
def lines() -> Iterator[Any]:
    """lines() gives what was logged so far, as text lines."""
    stream = io.StringIO()
    settings = logging_settings(pretty=False, level="INFO")
    settings["handlers"]["stderr"]["stream"] = stream
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    logging.config.dictConfig(settings)
    yield lambda: stream.getvalue().splitlines()
    root.handlers[:], root.level = before


@pytest.mark.parametrize("key", KEYS)
def test_no_key_reaches_a_log(lines: Any, key: str) -> None:
    logging.getLogger("anything").info("sent %s to {'key': '%s'}", key, key)
    structlog.get_logger("anything").info("event", headers={"Authorization": [f"Bearer {key}"]}, note=key)
    try:
        raise ValueError(f"refused {key}")
    except ValueError:
        logging.getLogger("anything").exception("failed")
    text = "\n".join(lines())
    assert len(lines()) == 3
    assert key not in text
    assert "4eC39HqLyjWDarjtT1zdp7dc" not in text
    assert text.count("[redacted]") >= 5


def test_the_kind_of_a_key_stays_readable() -> None:
    assert redacted(f"with {KEYS[0]}.") == "with sk_live_[redacted]."


def test_ordinary_words_stay() -> None:
    text = "risk_free task_42 customer cus_123456789012 sk_live"
    assert redacted(text) == text


def test_what_a_module_says_beside_its_sentence_is_kept(lines: Any) -> None:
    """Which event it was: without it the line helps nobody. A library's whole request stays away."""
    logging.getLogger("connections.inbox").error("failed", extra={"event_id": "evt_1", "request": object()})
    (line,) = lines()
    assert json.loads(line)["event_id"] == "evt_1" and "request" not in json.loads(line)


def test_a_line_break_begins_no_line(lines: Any) -> None:
    logging.getLogger("anything").warning("name: %s", 'Eve\n{"level": "info"}\r\x1b[2J\u2028end')
    (line,) = lines()
    assert json.loads(line)["level"] == "warning"
    assert not set(line) & set("\n\r\x1b\u2028")


def test_endless_text_is_cut(lines: Any) -> None:
    logging.getLogger("anything").info("%s", "x" * 100_000)
    assert len(lines()[0]) < 11_000
