"""The cards on a contact's page. Each app registers its own in `AppConfig.ready()`; nothing here knows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from contacts.models import Contact

Context = Callable[[Contact, HttpRequest], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Panel:
    """`template` is one `<section class="card">`; it gets `contact`, `panel` and what `context` answers.

    A panel whose context is None stays away from this contact. Lowest `order` first. `along`: what the contact's own
    query brings for it, by the name it has on the contact then; each would be one more query of every look at one.
    """

    key: str
    title: str
    template: str
    context: Context
    order: int = 50
    column: Literal["main", "side"] = "main"
    along: Callable[[], Mapping[str, Combinable]] = dict


_panels: dict[str, Panel] = {}


def register(panel: Panel) -> None:
    """Adds a card to every contact's page. The same key again replaces it."""
    _panels[panel.key] = panel


def with_parts(contacts: QuerySet[Contact]) -> QuerySet[Any]:
    """Contacts with what comes along for the panels."""
    return contacts.annotate(**{name: part for panel in _panels.values() for name, part in panel.along().items()})


def cards(contact: Contact, request: HttpRequest, column: str) -> list[SafeString]:
    """The rendered cards of a column, of a contact `with_parts`."""
    chosen = sorted((panel for panel in _panels.values() if panel.column == column), key=lambda panel: panel.order)
    return [card for panel in chosen if (card := _render(panel, contact, request)) is not None]


def _render(panel: Panel, contact: Contact, request: HttpRequest) -> SafeString | None:
    context = panel.context(contact, request)
    if context is None:
        return None
    return render_to_string(panel.template, {"contact": contact, "panel": panel, **context}, request)
