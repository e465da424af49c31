"""The catalogue of apps, and those that are connected."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from common.htmx import render_fragment_or_page
from connections.models import Connection
from users.roles import role_required


@dataclass(frozen=True)
class App:
    """One card. `url_name` leads to the app's page."""

    name: str
    key: str
    sentence: str
    url_name: str

    def matches(self, text: str) -> bool:
        return all(word in f"{self.name} {self.sentence}".lower() for word in text.lower().split())


APPS = (
    App(
        "Stripe",
        "stripe",
        "Customers, subscriptions, invoices and charges flow from Stripe into your contacts.",
        "connections:app",
    ),
)


@require_safe
@role_required("marketer")
def apps(request: HttpRequest) -> HttpResponseBase:
    query = request.GET.get("q", "").strip()[:100]
    found = [app for app in APPS if app.matches(query)]
    context = {"cards": _cards(found), "q": query}
    return render_fragment_or_page(request, "connections/apps.html", "connections/_app_cards.html", context)


@require_safe
@role_required("marketer")
def connected(request: HttpRequest) -> HttpResponseBase:
    cards = [card for card in _cards(list(APPS)) if card["accounts"]]
    return render(request, "connections/connected.html", {"cards": cards})


def _cards(found: list[App]) -> list[dict[str, object]]:
    sources = list(Connection.objects.connected().values_list("source", flat=True))
    return [{"app": app, "accounts": sources.count(app.key)} for app in found]
