"""Connect an account, and choose what of it to sync: steps 1 and 2."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from common.htmx import is_fragment, render_fragment_or_page, target_id
from connections import drafts, fence, setup
from connections.forms.connect import ConnectForm
from connections.forms.resource import EventsForm, ResourceForm
from connections.models import Connection, Resource, SetupDraft
from connections.sources.base import SourceError
from users import audit
from users.roles import role_required

STEPS = ("Connect account", "Resource and sync", "Map fields")


def steps(number: int, draft: SetupDraft) -> list[dict[str, str]]:
    """The stepper: done steps before `number`; of those the second may be gone back to."""
    back = {2: reverse("connections:wizard-resource", args=[draft.pk])}
    states = {True: "done", False: "next"}
    return [
        {"name": name, "url": back.get(n, ""), "state": "current" if n == number else states[n < number]}
        for n, name in enumerate(STEPS, start=1)
    ]


def open_draft(pk: int) -> SetupDraft | None:
    """The draft, if it is still to be finished. 404 if there is no such draft."""
    draft: SetupDraft = get_object_or_404(SetupDraft.objects.select_related("connection", "resource"), pk=pk)
    return None if draft.finished_at else draft


@role_required("marketer")
@require_http_methods(["GET", "POST"])
@sensitive_variables("form")
@sensitive_post_parameters("key")
def connect(request: HttpRequest) -> HttpResponse:
    """Step 1: the key is checked at once. A refused one is not stored, and not sent back either."""
    form = ConnectForm(request.POST or None)
    if request.method != "POST":
        return render_fragment_or_page(
            request, "connections/wizard/connect.html", "connections/wizard/_connect.html", {"form": form}
        )
    connection = _connect(request, form) if form.is_valid() else None
    if connection is None:
        return render_fragment_or_page(
            request,
            "connections/wizard/connect.html",
            "connections/wizard/_connect_form.html",
            {"form": form},
            status=422,
        )
    return redirect("connections:wizard-resource", setup.draft_for(connection, request.user).pk)


@sensitive_variables("form", "key")
def _connect(request: HttpRequest, form: ConnectForm) -> Connection | None:
    key = form.cleaned_data["key"]
    try:
        connection = setup.connect(key, request.user)
    except SourceError as error:
        form.refuse(error)
        return None
    audit.record(request, "connected account", connection, key=connection.key_hint, test=connection.is_test)
    if key.startswith("sk_live_"):
        messages.info(
            request,
            gettext(
                "The key is accepted. A restricted key would be safer, as it may only do what Millrace needs: you can"
                " change to one at any time with “Replace key”."
            ),
        )
    return connection


@role_required("marketer")
@require_http_methods(["GET", "POST"])
def add_resource(request: HttpRequest, pk: int) -> HttpResponse:
    """The account's open draft, anybody's, or a new one."""
    connection = get_object_or_404(Connection, pk=pk)
    if connection.state == Connection.State.DISCONNECTED:
        messages.info(request, gettext("%(name)s is disconnected. Connect it again first.") % {"name": connection.name})
        return redirect("connections:connect")
    return redirect("connections:wizard-resource", setup.draft_for(connection, request.user).pk)


@role_required("marketer")
@require_http_methods(["GET", "POST"])
def resource(request: HttpRequest, pk: int) -> HttpResponse:
    """Step 2: resource, sync type, events."""
    draft = open_draft(pk)
    if draft is None:
        return redirect("connections:app")
    if draft.resource:
        return redirect("connections:edit-mapping", draft.resource.pk)
    if target_id(request) == "events":
        return render(request, "connections/wizard/_events.html", {"events": _events_form(draft, _kind(request.GET))})
    if request.method == "POST":
        return _choose(request, draft)
    return _resource_page(request, draft, ResourceForm(draft, request.path), _events_form(draft, draft.kind))


def _choose(request: HttpRequest, draft: SetupDraft) -> HttpResponse:
    form = ResourceForm(draft, request.path, request.POST)
    kind = _kind(request.POST)
    shown = _events_form(draft, kind, request.POST)
    if request.POST.get("action") == "events":
        # «Show events», for browsers without script: nothing else is asked for yet.
        known = form.fields["sync"].valid_value(request.POST.get("sync", ""))  # type: ignore[attr-defined]
        drafts.choose(draft, kind, request.POST["sync"] if known else "", None, draft.data)
        return redirect("connections:wizard-resource", draft.pk)
    if not form.is_valid() or shown is None or not shown.is_valid():
        return _resource_page(request, draft, form, shown, status=422)
    drafts.choose(draft, form.cleaned_data["kind"], form.cleaned_data["sync"], shown.chosen, shown.data_choice)
    return redirect("connections:wizard-map", draft.pk)


def _kind(data: Any) -> str:
    """A kind that exists and was asked for, or ""."""
    kind = data.get("kind", "")
    return kind if kind in Resource.Kind.values else ""


def _events_form(draft: SetupDraft, kind: str, data: Any = None) -> EventsForm | None:
    if not kind:
        return None
    return EventsForm(kind, draft.events if draft.kind == kind else None, draft.data, data)


def _resource_page(
    request: HttpRequest, draft: SetupDraft, form: ResourceForm, shown: EventsForm | None, status: int = 200
) -> HttpResponse:
    context = {
        "draft": draft,
        "connection": draft.connection,
        "form": form,
        "events": shown,
        "steps": steps(2, draft),
        "all_connected": len(set(form.reasons) & set(Resource.Kind.values)) == len(Resource.Kind.values),
    }
    template = "connections/wizard/_resource_form.html" if is_fragment(request) else "connections/wizard/resource.html"
    return render(request, template, context, status=status)


@role_required("marketer")
@require_POST
def discard(request: HttpRequest, pk: int) -> HttpResponse:
    """Throw the draft away; an account that has nothing else forgets its key."""
    draft = open_draft(pk)
    if draft is None:
        return redirect("connections:app")
    connection, kind = draft.connection, draft.kind
    try:
        setup.discard(draft)
    except fence.Busy as busy:
        messages.error(request, busy.message)
        return redirect("connections:app")
    audit.record(request, "discarded setup", connection, resource=kind)
    messages.info(request, gettext("The draft is discarded. Nothing synced was changed."))
    return redirect("connections:app")
