"""Reading a TOML file so that every mistake is told at once, each with its line: tomllib itself keeps no lines."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
Table = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """A mistake in words that begin with its line; `connection` and `resource` name the entry, if it is in one."""

    message: str
    connection: str | None = None
    account: str | None = None
    resource: str | None = None


class Refused(Exception):
    """The file cannot be applied; nothing was changed, but for what `left` tells could not be taken back."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        self.left: list[Problem] = []
        super().__init__("\n".join(problem.message for problem in self.problems))


def parse(text: str) -> Table:
    """The file's content. Refused if it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused([Problem(f"The file is not valid TOML: {error}")]) from None


def line_of(text: str, path: Path) -> int:
    """The line, from 1, where the value or table at `path` begins; where its entry begins if it is missing.

    The beginning of the file is read again with more and more lines, by halves, until the path is there.
    """
    lines = text.split("\n")
    while path and not _has(tomllib.loads(text), path):
        path = path[:-1]
    low, high = 0, len(lines)
    while low + 1 < high:
        middle = (low + high) // 2
        _, found = _readable(lines, middle)
        low, high = (low, middle) if _has(found, path) else (middle, high)
    begin, _ = _readable(lines, high - 1)
    while begin + 1 < high and (not lines[begin].strip() or lines[begin].lstrip().startswith("#")):
        begin += 1
    return begin + 1


def _readable(lines: list[str], count: int) -> tuple[int, Table]:
    """The longest beginning of at most `count` lines that is whole: a list over several lines is not cut."""
    for size in range(count, -1, -1):
        try:
            return size, tomllib.loads("\n".join(lines[:size]))
        except tomllib.TOMLDecodeError:
            continue
    return 0, {}


def _has(found: Any, path: Path) -> bool:
    for step in path:
        if isinstance(step, int):
            if not isinstance(found, list) or step >= len(found):
                return False
        elif not isinstance(found, dict) or step not in found:
            return False
        found = found[step]
    return True


class Reading:
    """One reading of a file. What is wrong is collected in `problems`; what is right comes back typed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: list[Problem] = []
        self.connection: str | None = None
        self.resource: str | None = None

    def wrong(self, path: Path, message: str) -> None:
        self.problems.append(
            Problem(f"Line {line_of(self.text, path)}: {message}", self.connection, None, self.resource)
        )

    def table(self, found: Any, path: Path, known: Collection[str]) -> Table:
        """The table, after a word on every key it should not have."""
        if not isinstance(found, dict):
            self.wrong(path, "A table is expected here.")
            return {}
        for key in found:
            if key not in known:
                self.wrong((*path, key), f"Unknown key “{key[:60]}”.{meant(key, known)}")
        return found

    def tables(self, table: Table, path: Path, key: str) -> list[tuple[Path, Any]]:
        """The entries of [[key]] with their paths."""
        found = table.get(key, [])
        if not isinstance(found, list):
            self.wrong((*path, key), f"“{key}” must be written [[{key}]]: there may be several.")
            return []
        return [((*path, key, number), entry) for number, entry in enumerate(found)]

    def words(self, table: Table, path: Path, key: str) -> str:
        """A text; "" when it is missing."""
        value = table.get(key, "")
        if not isinstance(value, str):
            self.wrong((*path, key), f"“{key}” must be a text.")
            return ""
        return value.strip()

    def listed(self, table: Table, path: Path, key: str) -> list[str] | None:
        """A list of texts; None when it is missing or wrong."""
        value = table.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.wrong((*path, key), f"“{key}” must be a list of texts.")
            return None
        return value

    def choice(self, table: Table, path: Path, key: str, allowed: Collection[str]) -> str | None:
        """One of the allowed words; None when it is missing or wrong."""
        value = self.words(table, path, key)
        if not value and key not in table:
            return None
        if value not in allowed:
            if isinstance(table[key], str):
                self.wrong((*path, key), f"“{value[:60]}” is no {key}. Possible: {', '.join(allowed)}.")
            return None
        return value


def meant(word: str, known: Iterable[str]) -> str:
    """ " Did you mean …?", or "" when nothing is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean “{close[0]}”?" if close else ""
