"""Rows as CSV that a spreadsheet opens without running anything, and as JSON lines. Both one line at a time."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

BYTE_ORDER_MARK = "\ufeff"
# Source: OWASP ASVS 1.2.10. A cell that begins with one of these may be taken for a formula; full-width forms too.
_FORMULA = tuple("=+-@|%\t\r＝＋－＠")
_CONTROL = dict.fromkeys((*range(32), *range(127, 160)))


class _Line:
    """What csv.writer writes into: keeps the last line only."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def csv_lines(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    """A head and one line a row, every cell quoted; begins with a byte order mark, by which Excel knows UTF-8."""
    line = _Line()
    writer = csv.writer(line, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    yield BYTE_ORDER_MARK + line.text
    for row in rows:
        writer.writerow([cell(row.get(column)) for column in columns])
        yield line.text


def json_lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def cell(value: Any) -> str | int | float:
    """A value as the text of a cell: numbers stay numbers, lists are joined by semicolon, objects become JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return _harmless("; ".join(value))
    return _harmless(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _harmless(text: str) -> str:
    clean = text.translate(_CONTROL)
    begins_like_formula = text.startswith(_FORMULA) or _visible_start(clean).startswith(_FORMULA)
    return f"'{clean}" if begins_like_formula else clean


def _visible_start(text: str) -> str:
    """Without leading blanks and invisible marks, which spreadsheets skip."""
    return text.lstrip("".join({letter for letter in text[:50] if letter.isspace() or _is_invisible(letter)}))


def _is_invisible(letter: str) -> bool:
    return unicodedata.category(letter) == "Cf"
