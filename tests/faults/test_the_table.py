"""The table in README.md names every row, and only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from local.data import ROOT

HERE = Path(__file__).parent
TABLE = (HERE / "README.md").read_text()


def test_every_row_has_a_test_or_a_reason() -> None:
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", TABLE, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 68))
    assert all(told.strip() for _, told in rows)


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"([\w/]+\.py)(?:::(\w+))?", TABLE.partition("## Rows")[2])
    assert len(named) > 60
    for file, test in named:
        path = ROOT / file if "/" in file else HERE / file
        assert path.exists(), file
        assert not test or f"def {test}(" in path.read_text(), f"{file}::{test}"


def test_every_test_here_is_named() -> None:
    for path in HERE.glob("test_*.py"):
        if path.name not in ("test_the_table.py", "test_the_audit.py"):
            for test in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE):
                assert f"{path.name}::{test}" in TABLE, f"{path.name}::{test}"
