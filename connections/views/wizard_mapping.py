"""Map fields and finish: step 3, and the same page for a resource that is already connected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from common.htmx import is_fragment
from connections import api, drafts, preview
from connections.forms.mapping import MappingForm
from connections.forms.resource import EventsForm
from connections.models import Connection, Resource, SetupDraft
from connections.sources.base import SourceError, View
from connections.views.wizard import open_draft, steps
from connections.webhooks import EndpointCap
from users.roles import role_required


@dataclass
class Step:
    """What one request works on: the draft, its records, its rows. `refusal`: why Stripe did not let us finish."""

    draft: SetupDraft
    views: list[View]
    form: MappingForm
    events: EventsForm | None
    record: int
    refusal: EndpointCap | SourceError | None = None
    focus: str = ""

    @property
    def view(self) -> View | None:
        return self.views[self.record] if self.views else None

    @property
    def url(self) -> str:
        if self.draft.resource:
            return reverse("connections:edit-mapping", args=[self.draft.resource.pk])
        return reverse("connections:wizard-map", args=[self.draft.pk])


@role_required("marketer")
@require_http_methods(["GET", "POST"])
def map_fields(request: HttpRequest, pk: int) -> HttpResponse:
    """Step 3. Every change of a row comes here, is kept in the draft, and answers with rows and preview."""
    draft = open_draft(pk)
    if draft is None:
        return redirect("connections:app")
    if draft.resource:
        return redirect("connections:edit-mapping", draft.resource.pk)
    if not draft.kind or not draft.sync:
        return redirect("connections:wizard-resource", draft.pk)
    return _answer(request, draft)


@role_required("marketer")
@require_http_methods(["GET", "POST"])
def edit_mapping(request: HttpRequest, pk: int) -> HttpResponse:
    """The stored rows of a connected resource. What is saved counts from the next event on."""
    resource = get_object_or_404(Resource.objects.active().select_related("connection", "mapping"), pk=pk)
    return _answer(request, drafts.for_resource(resource, request.user))


@role_required("marketer")
@require_POST
def finish(request: HttpRequest, pk: int) -> HttpResponse:
    """Finish with the rows as the draft has them: «Try again», and «Continue» beside an unfinished setup."""
    draft = open_draft(pk)
    if draft is None:
        return redirect("connections:app")
    step = _step(request, draft, posted=False)
    return _finish(request, step) if draft.kind and draft.sync else redirect("connections:wizard-resource", draft.pk)


def _answer(request: HttpRequest, draft: SetupDraft) -> HttpResponse:
    action = request.POST.get("action", "")
    if request.method == "GET" or action == "samples":
        drafts.fetch_samples(draft, again=action == "samples")
    step = _step(request, draft, posted=request.method == "POST")
    if request.method == "GET":
        return _page(request, step)
    if step.form.invalid or (step.events and not step.events.is_valid()):
        return _page(request, step, status=422)
    drafts.keep_rows(draft, step.form.as_rows())
    if step.events:
        drafts.keep_events(draft, step.events.chosen, step.events.data_choice)
    if action in ("finish", "poll"):
        return _finish(request, step, polling=action == "poll")
    return _leave(request, step, action) or _stay(request, step, action)


def _step(request: HttpRequest, draft: SetupDraft, *, posted: bool) -> Step:
    views = drafts.views_of(draft)
    offer = drafts.offer_of(draft, views)
    form = MappingForm.of_post(offer, request.POST) if posted else MappingForm.of_rows(offer, drafts.rows_of(draft))
    events = None
    if draft.resource:
        events = EventsForm(draft.kind, draft.events, draft.data, request.POST if posted else None)
    return Step(draft, views, form, events, _record(request, len(views)))


def _record(request: HttpRequest, count: int) -> int:
    """Which of the records is shown, from 0; the one after the last is the first."""
    asked = request.POST.get("record") or request.GET.get("record") or "1"
    number = int(asked) - 1 if asked.isascii() and asked.isdecimal() and len(asked) < 4 else 0
    return (number + (request.POST.get("action") == "next")) % count if count else 0


def _leave(request: HttpRequest, step: Step, action: str) -> HttpResponse | None:
    """Elsewhere, with everything kept. None for what happens on this page."""
    if action == "back":
        return redirect("connections:wizard-resource", step.draft.pk)
    if action == "later":
        # The page says by itself what is not finished, and that everything is kept.
        return redirect("connections:app")
    if action == "field" and (url := _field_url(step)):
        return redirect(url)
    return None


def _stay(request: HttpRequest, step: Step, action: str) -> HttpResponse:
    if action == "add":
        step.focus = f"row-{step.form.last_number}"
    elif request.POST.get("remove"):
        step.focus = "add"
    if is_fragment(request):
        return _page(request, step)
    # A full page answers with a redirect; the rows are numbered anew on the way.
    focus = f"row-{len(step.form.rows)}" if action == "add" else step.focus
    query = urlencode({"record": step.record + 1} | ({"focus": focus} if focus else {}))
    return redirect(f"{step.url}?{query}#{focus or 'map'}")


def _finish(request: HttpRequest, step: Step, *, polling: bool = False) -> HttpResponse:
    if not step.form.is_complete():
        step.focus = f"row-{next(row.number for row in step.form.rows if row.errors)}"
        return _page(request, step, status=422)
    if polling:
        drafts.poll_instead(step.draft)
    try:
        resource, ours = drafts.finish(step.draft, request)
    except (EndpointCap, SourceError) as error:
        if isinstance(error, SourceError):
            api.note(step.draft.connection, error)
        step.refusal = error
        return _page(request, step, status=422)
    messages.success(request, _confirmation(step.draft, resource, ours=ours))
    # With several accounts the card of this one leads, or it would stand below the fold.
    several = Connection.objects.connected()[:2].count() > 1
    return redirect(reverse("connections:app") + (f"?account={resource.connection_id}" if several else ""))


def _confirmation(draft: SetupDraft, resource: Resource, *, ours: bool) -> str:
    name = {"resource": resource.get_kind_display()}
    if draft.resource:
        kept = "Existing contacts keep their values until their next Stripe event."
        return gettext("The mapping of %(resource)s is saved.") % name + " " + gettext(kept)
    if not ours:
        return gettext("%(resource)s is set up already.") % name
    if resource.sync == Resource.Sync.HISTORY_AND_NEW:
        return gettext("%(resource)s is set up. Its history is being imported now.") % name
    return gettext("%(resource)s is set up. New events are synced from now on.") % name


def _page(request: HttpRequest, step: Step, *, status: int = 200) -> HttpResponse:
    _show_values(step)
    focus = step.focus or request.GET.get("focus", "")
    if focus.removeprefix("row-").isdecimal() and len(focus) < 10:
        step.form.focus(int(focus.removeprefix("row-")))
    context = {
        "step": step,
        "draft": step.draft,
        "connection": step.draft.connection,
        "form": step.form,
        "events": step.events,
        "focus": focus,
        "preview": _preview(step),
        "can_add_field": bool(_field_url(step)),
        "steps": None if step.draft.resource else steps(3, step.draft),
        **_refusal(step.refusal),
    }
    fragment = is_fragment(request)
    template = "connections/wizard/_map.html" if fragment else "connections/wizard/map.html"
    return render(request, template, context | {"out_of_band": fragment}, status=status)


def _refusal(error: EndpointCap | SourceError | None) -> dict[str, Any]:
    cap = isinstance(error, EndpointCap)
    permission = error.permission if isinstance(error, SourceError) else ""
    return {
        "refusal": error,
        "cap": error if cap else None,
        # Writing includes reading at Stripe; the right to read is only the first one to be missed.
        "webhook_permission": "rak_webhook_write" if permission.startswith("rak_webhook") else "",
    }


def _show_values(step: Step) -> None:
    """Under each source a real value, under a name what it is split into."""
    views = ([step.view] if step.view else []) + step.views
    targets = drafts.contact_targets()
    for row in step.form.rows:
        if row in step.form.invalid:
            continue
        row.example = preview.example(views, row.row["from"])
        for view in views:
            split = preview.names(view, row.row, targets)
            if split and any(split):
                row.result = gettext("First “%(first)s”") % {"first": split[0]}
                row.result += gettext(" · Last “%(last)s”") % {"last": split[1]} if split[1] else ""
                break


def _preview(step: Step) -> preview.Preview | None:
    if step.view is None or step.form.invalid:
        return None
    chosen = step.events.chosen if step.events and step.events.is_valid() else drafts.events_of(step.draft)
    return preview.contact_of(step.draft.connection, step.form.as_rows(), step.view, drafts.contact_targets(), chosen)


def _field_url(step: Step) -> str:
    """Where a contact field is made, which leads back here. "" where there is no such page."""
    try:
        return f"{reverse('contacts:field-create')}?{urlencode({'next': step.url})}"
    except NoReverseMatch:
        return ""
