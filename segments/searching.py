"""Segments and conditions on the list of contacts: `?segment=7` and `?conditions={…}`."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from common.text import loads
from contacts import narrowing
from contacts.narrowing import Narrowing
from contacts.views.access import may_edit
from segments.builder import Builder
from segments.compiling import condition_query
from segments.conditions import ConditionError, Group, as_json, parse
from segments.models import Segment
from segments.words import describe

SEGMENT, CONDITIONS = "segment", "conditions"
NOBODY = Q(pk__in=[])
_FILTERS = ("q", "tag", "list", "mode", "created", SEGMENT, "sort")


def register() -> None:
    narrowing.register(
        Narrowing(SEGMENT, _of_segment, _segments, "segments/_segment_filter.html", "segments/_segment_problem.html")
    )
    narrowing.register(
        Narrowing(CONDITIONS, _of_conditions, _search, "segments/_conditions_kept.html", "segments/_search.html")
    )


def as_parameter(group: Group) -> str:
    """Conditions as they stand in an address."""
    return json.dumps(as_json(group), ensure_ascii=False, separators=(",", ":"))


def from_parameter(value: str) -> Group:
    """ConditionError when it cannot be read."""
    try:
        return parse(loads(value))
    except ConditionError:
        raise
    except ValueError as error:
        raise ConditionError("", "This is not JSON.") from error


def segment_query(segment: Segment) -> Q:
    """For querysets of contacts: those who are in it now, which are live ones. ConditionError as `Segment.group`."""
    return Q(is_test=False) & condition_query(segment.group)


def _of_segment(value: str) -> Q:
    try:
        return segment_query(_chosen(value))
    except (Segment.DoesNotExist, ConditionError):
        return NOBODY


def _of_conditions(value: str) -> Q:
    try:
        return condition_query(from_parameter(value))
    except ConditionError:
        return NOBODY


def _chosen(value: str) -> Segment:
    if (pk := _key(value)) is None:
        raise Segment.DoesNotExist
    return Segment.objects.get(pk=pk)


def _key(value: str) -> int | None:
    """Python calls “²” a digit, too, and PostgreSQL's keys end somewhere."""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def _segments(request: HttpRequest) -> dict[str, Any]:
    value = request.GET.get(SEGMENT, "")
    problem = ""
    if value:
        try:
            _chosen(value).group  # noqa: B018  (read for its mistakes)
        except Segment.DoesNotExist:
            problem = "This segment was deleted."
        except ConditionError as error:
            problem = f"This segment finds nobody until it is mended: {error.message}"
    return {"segments": Segment.objects.only("name"), "chosen": _key(value), "problem": problem}


def _search(request: HttpRequest) -> dict[str, Any]:
    value = request.GET.get(CONDITIONS, "")
    group, problem = Group(), ""
    if value:
        try:
            group = from_parameter(value)
        except ConditionError as error:
            problem = str(error)
    return {
        "value": value,
        "sentence": describe(group) if group.items else "",
        "problem": problem,
        "builder": Builder("search", initial=group) if value else None,
        "kept": kept(request.GET.items()),
        "may_edit": may_edit(request),
    }


def kept(parameters: Any) -> list[tuple[str, str]]:
    """The other filters of the list, which a search keeps."""
    return [(name, value) for name, value in parameters if name in _FILTERS and value]
