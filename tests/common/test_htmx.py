"""One view answers with the page or with the part htmx asked for."""

from __future__ import annotations

import json

from django.contrib.messages import constants
from django.contrib.messages.storage.base import BaseStorage, Message
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.test import RequestFactory

from common import htmx

FRAGMENT = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "table#contacts-table"}


class OneRequestStorage(BaseStorage):
    """Messages that live as long as the request, as these tests have no session."""

    def _get(self, *args: object, **kwargs: object) -> tuple[list[Message], bool]:
        return [], True

    def _store(self, messages: list[Message], response: HttpResponse, *args: object) -> list[Message]:
        return []


def asked(**headers: str) -> HttpRequest:
    request = RequestFactory().get("/", headers=headers)
    request._messages = OneRequestStorage(request)  # type: ignore[attr-defined]
    return request


def test_only_a_swap_of_a_part_is_a_fragment() -> None:
    assert htmx.is_fragment(asked(**FRAGMENT))
    assert not htmx.is_fragment(asked())
    assert not htmx.is_fragment(asked(**{**FRAGMENT, "HX-Request-Type": "full"}))
    assert not htmx.is_fragment(asked(**{**FRAGMENT, "HX-History-Restore-Request": "true"}))


def test_the_target_is_the_id_alone() -> None:
    assert htmx.target_id(asked(**FRAGMENT)) == "contacts-table"
    assert htmx.target_id(asked(**{**FRAGMENT, "HX-Target": "main"})) == ""
    assert htmx.target_id(asked()) == ""


def test_messages_ride_along_with_a_fragment_once() -> None:
    request = asked(**FRAGMENT)
    request._messages.add(constants.SUCCESS, "Order saved")  # type: ignore[attr-defined]
    html = htmx.with_messages(request, HttpResponse("<p>part</p>")).content.decode()
    assert html.startswith("<p>part</p>")
    assert html.count('hx-swap-oob="true"') == 1
    assert "Order saved" in html


def test_a_page_shows_its_messages_itself() -> None:
    request = asked()
    request._messages.add(constants.SUCCESS, "Order saved")  # type: ignore[attr-defined]
    assert htmx.with_messages(request, HttpResponse("page")).content == b"page"


def test_events_pile_up_in_one_header() -> None:
    response = htmx.close_layer(htmx.toast(HttpResponse(), "Saved"))
    assert json.loads(response["HX-Trigger"]) == {"toast": {"message": "Saved"}, "close-layer": {}}


def test_a_redirect_moves_the_whole_window_and_keeps_its_cookies() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        response = redirect("/contacts/")
        response.set_cookie("seen", "yes")
        return response

    answer = htmx.FragmentMiddleware(view)
    inside = answer(asked(**FRAGMENT))
    assert (inside.status_code, inside["HX-Redirect"], inside.cookies["seen"].value) == (200, "/contacts/", "yes")
    assert answer(asked()).status_code == 302


def test_html_varies_by_what_was_asked_and_json_does_not() -> None:
    page = htmx.FragmentMiddleware(lambda request: HttpResponse("x"))(asked())
    assert "HX-Request" in page["Vary"]
    assert not htmx.FragmentMiddleware(lambda request: JsonResponse({}))(asked()).has_header("Vary")
