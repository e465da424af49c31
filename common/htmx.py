"""One view, two answers: the whole page, or only the part htmx asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

REDIRECTS = frozenset({301, 302, 303, 307, 308})


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx wants a part to swap in; False also for the whole pages it loads itself (history)."""
    headers = request.headers
    return (
        headers.get("HX-Request") == "true"
        and headers.get("HX-Request-Type") != "full"
        and "HX-History-Restore-Request" not in headers
    )


def target_id(request: HttpRequest) -> str:
    """The id of the element the answer goes into, or "". htmx 4 sends `tag#id`."""
    return unquote(request.headers.get("HX-Target", "").partition("#")[2]) if is_fragment(request) else ""


def render_fragment_or_page(
    request: HttpRequest,
    page: str,
    fragment: str,
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    """The fragment's template for htmx (messages ride along), else the page's. A refused form passes status=422."""
    if is_fragment(request):
        return with_messages(request, render(request, fragment, context, status=status))
    return render(request, page, context, status=status)


def with_messages(request: HttpRequest, response: HttpResponse | None = None) -> HttpResponse:
    """The response with the waiting messages as an out-of-band `#messages`; alone it is an answer of its own."""
    response = HttpResponse() if response is None else response
    # Asking for the number would not use the messages up, rendering them does.
    if is_fragment(request) and len(get_messages(request)):
        response.write(render_to_string("components/_messages.html", {"out_of_band": True}, request))
    return response


def trigger(response: HttpResponse, name: str, **detail: Any) -> HttpResponse:
    """Adds an event to HX-Trigger: `trigger(response, "resources-changed")` makes lists that listen load again."""
    events = json.loads(response.headers.get("HX-Trigger", "{}"))
    response.headers["HX-Trigger"] = json.dumps({**events, name: detail})
    return response


def toast(response: HttpResponse, sentence: str) -> HttpResponse:
    """Shows a small result for five seconds. Never an error, never the only place of a fact."""
    return trigger(response, "toast", message=sentence)


def close_layer(response: HttpResponse | None = None) -> HttpResponse:
    """Closes the dialog or drawer that sent the request; the focus goes back to what opened it."""
    return trigger(HttpResponse(status=204) if response is None else response, "close-layer")


class FragmentMiddleware:
    """`Vary: HX-Request` on every page, and redirects that the browser follows with the whole window.

    The browser would follow a redirect inside the request and htmx would put a full page into a fragment; so
    `return redirect(…)` means the same with and without htmx.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            patch_vary_headers(response, ("HX-Request", "HX-Request-Type"))
        if request.headers.get("HX-Request") == "true" and response.status_code in REDIRECTS:
            return self._whole_window(response)
        return response

    def _whole_window(self, redirect: HttpResponseBase) -> HttpResponse:
        response = HttpResponse(status=200, headers={"HX-Redirect": redirect.headers["Location"]})
        response.cookies = redirect.cookies
        return response
