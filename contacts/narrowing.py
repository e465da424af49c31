"""What else the list of contacts can be narrowed down by. Each app registers its own in `AppConfig.ready()`.

A narrowing is one parameter of the list's address, so the list, its export and a link to it all mean the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from contacts.models import Contact

Context = Callable[[HttpRequest], Mapping[str, Any]]


@dataclass(frozen=True)
class Narrowing:
    """`query` turns the parameter's value into a filter; for one that means nothing it answers a filter that finds
    nobody. `filter` is a template inside the form of filters, `below` one under it; both get what `context` answers.
    """

    parameter: str
    query: Callable[[str], Q]
    context: Context
    filter: str
    below: str


@dataclass(frozen=True)
class ShownNarrowing:
    filter: SafeString
    below: SafeString


_narrowings: dict[str, Narrowing] = {}


def register(narrowing: Narrowing) -> None:
    """Adds one to the list of contacts. The same parameter again replaces it."""
    _narrowings[narrowing.parameter] = narrowing


def narrowed(contacts: QuerySet[Contact], request: HttpRequest) -> QuerySet[Contact]:
    for one in _narrowings.values():
        if value := request.GET.get(one.parameter):
            contacts = contacts.filter(one.query(value))
    return contacts


def is_set(request: HttpRequest) -> bool:
    return any(request.GET.get(parameter) for parameter in _narrowings)


def shown(request: HttpRequest) -> list[ShownNarrowing]:
    """Rendered for the page at hand."""
    return [_render(one, request) for one in _narrowings.values()]


def _render(one: Narrowing, request: HttpRequest) -> ShownNarrowing:
    context = dict(one.context(request))
    filter_part, below = (render_to_string(name, context, request) for name in (one.filter, one.below))
    return ShownNarrowing(filter_part, below)
