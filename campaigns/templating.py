"""Liquid with limits. A template gets plain values, never objects of ours, and can neither loop nor grow for long."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from liquid import Environment
from liquid.exceptions import LiquidError
from liquid.static_analysis import TemplateAnalysis
from liquid.template import BoundTemplate
from liquid.undefined import Undefined

LONGEST_SOURCE = 200_000
TAGS = ("if", "unless", "case", "for", "break", "continue", "assign", "comment", "#")
_INNER = ("content", "output", "illegal")
_NO_FILTERS = ("safe", "escapejs", "base64_encode", "base64_decode", "base64_url_safe_encode", "base64_url_safe_decode")
# What filters raise for a value they cannot work with: "nan" to round, a date of twenty digits.
_UNFIT = (ArithmeticError, ValueError, TypeError)
_BLOCKS = {"if": "endif", "unless": "endunless", "case": "endcase", "for": "endfor", "comment": "endcomment"}
_MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_WORD = re.compile(r"\{%-?\s*(\w+)")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a template, and where: line and column count from 1."""

    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"Line {self.line}, column {self.column}: {self.message}"


class TemplateFault(Exception):
    """A template that cannot be read, or that went over a limit; `problem` says why in words."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Empty(str):
    """An empty text as conditions see it: it decides as no, and equals "", `blank` and `empty` as before."""

    __slots__ = ()


Undefined.register(_Empty)


class _Nothing(str):
    """An empty value. In Liquid an empty text is true, so that "{% if contact.phone %}" would hold for everybody."""

    __slots__ = ()

    def __liquid__(self) -> _Empty:
        return _EMPTY


_EMPTY, _NOTHING = _Empty(), _Nothing()


def _decided(value: object) -> object:
    """The value, with what is empty in it deciding as no."""
    if isinstance(value, Mapping):
        return {key: _decided(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_decided(inner) for inner in value]
    return _NOTHING if value == "" else value


class _Limited(Environment):
    block_nesting_limit = 10
    loop_iteration_limit = 1000
    local_namespace_limit = 100_000
    output_stream_limit = 200_000


@lru_cache(maxsize=2)
def _environment(autoescape: bool) -> Environment:
    environment = _Limited(autoescape=autoescape)
    for name in [name for name in environment.tags if name not in (*TAGS, *_INNER)]:
        del environment.tags[name]
    # `safe` would let what is written in a name into the mail as markup.
    for name in _NO_FILTERS:
        environment.filters.pop(name, None)
    return environment


def parse(source: str, *, is_html: bool) -> BoundTemplate:
    """The template, ready to be filled. TemplateFault when it cannot be read."""
    if len(source) > LONGEST_SOURCE:
        raise TemplateFault(Problem(1, 1, f"This is longer than {LONGEST_SOURCE:,} characters."))
    try:
        return _environment(is_html).from_string(source)
    except (LiquidError, RecursionError) as error:
        raise TemplateFault(_problem(error, source)) from error


def analysis(template: BoundTemplate, source: str) -> TemplateAnalysis:
    """Which values and filters a template uses, and where."""
    try:
        return template.analyze(include_partials=False)
    except (LiquidError, RecursionError) as error:
        raise TemplateFault(_problem(error, source)) from error


def fill(template: BoundTemplate, values: Mapping[str, object], source: str) -> str:
    """The text. TemplateFault when it loops or grows beyond the limits, or takes a filter where it does not fit."""
    try:
        return template.render(**{name: _decided(value) for name, value in values.items()})
    except (LiquidError, RecursionError) as error:
        raise TemplateFault(_problem(error, source)) from error
    except _UNFIT as error:
        raise TemplateFault(_unfit(values, source)) from error


def place(source: str, index: int) -> tuple[int, int]:
    """Line and column of a character, both from 1."""
    before = source[: max(index, 0)]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _problem(error: Exception, source: str) -> Problem:
    if isinstance(error, RecursionError):
        return Problem(1, 1, "This nests too deeply.")
    token = error.token if isinstance(error, LiquidError) else None
    # The library points to the end of an expression with -1: then the markup that does not end is found by us.
    index = token.start_index if token is not None and token.start_index >= 0 else _suspect(source)
    line, column = place(source, index)
    return Problem(line, column, _words(error))


def _unfit(values: Mapping[str, object], source: str) -> Problem:
    """The error says no place, so the first piece of markup that fails alone is named."""
    for match in _MARKUP.finditer(source):
        if _cannot_work(match[0], values):
            line, column = place(source, match.start())
            return Problem(line, column, f"“{match[0][:80]}” cannot work with this contact’s value.")
    return Problem(1, 1, "A filter cannot work with one of this contact’s values.")


def _cannot_work(markup: str, values: Mapping[str, object]) -> bool:
    try:
        _environment(False).from_string(markup).render(**values)
    except _UNFIT:
        return True
    except (LiquidError, RecursionError):
        return False
    return False


def _words(error: Exception) -> str:
    text = str(error.args[0] if error.args else error)
    for told, ours in _OURS:
        if match := re.fullmatch(told, text):
            return ours.format(*match.groups())
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


_OURS = (
    (r"unexpected tag '(end\w+)'", "“{0}” ends something that was not begun."),
    (r"unexpected tag '(else|elsif|when)'", "“{0}” stands outside of what it belongs to."),
    (r"unexpected tag '(.+)'", "There is no tag “{0}”. There are if, unless, case, for and assign."),
    (r"unknown filter '(.+)'", "There is no filter “{0}”."),
    (r"expected tag (\w+), found end of expression", "This is never closed: “{{% {0} %}}” is missing."),
    (r"expected '(\}\})', found end of file", "This is never closed: “{0}” is missing."),
    (r"missing tag name or closing delimiter", "This is never closed: “%}}” is missing, or it is empty."),
    (r"expected a primitive expression, found end of expression", "Something is missing here: a value or a name."),
    (r"missing expression", "Something is missing here: a condition."),
    (r".*loop iteration limit.*", "This repeats too often."),
    (r".*(?:namespace|output stream|output) limit.*", "This becomes too long."),
    (r"loop iteration limit reached", "This repeats too often."),
)


def _suspect(source: str) -> int:
    """Where the markup stands that an error without a place is about."""
    open_blocks: list[tuple[str, int]] = []
    for match in _MARKUP.finditer(source):
        if not _stands_alone(match[0]):
            return match.start()
        word = found[1] if (found := _WORD.match(match[0])) else ""
        if word in _BLOCKS:
            open_blocks.append((word, match.start()))
        elif open_blocks and word == _BLOCKS[open_blocks[-1][0]]:
            open_blocks.pop()
    return open_blocks[-1][1] if open_blocks else 0


def _stands_alone(markup: str) -> bool:
    """Whether a single piece of markup can be read; blocks are closed for the look."""
    word = found[1] if (found := _WORD.match(markup)) else ""
    if markup.startswith("{%") and word not in ("assign", *_BLOCKS):
        return True
    when = "{% when 1 %}" if word == "case" else ""
    closing = f"{when}{{% {_BLOCKS[word]} %}}" if word in _BLOCKS else ""
    try:
        _environment(False).from_string(markup + closing)
    except LiquidError:
        return False
    return True
