"""All contacts: searched, filtered, sorted, exported."""

from __future__ import annotations

from functools import cache, partial

from django.core.paginator import Paginator
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from common.htmx import is_fragment, render_fragment_or_page, trigger
from common.spreadsheet import csv_lines, json_lines
from contacts import export, narrowing
from contacts.filters import ContactFilter, ordering
from contacts.models import Contact
from contacts.views.access import may_edit
from users import audit
from users.roles import require, role_required

PAGE = 50
# Where a contact's row needs it: leaves out the reasons behind the values, which are the larger part of a row.
SHOWN = ("email", "first_name", "last_name", "phone", "is_test", "source_deleted_at", "created_at", "updated_at")


@require_safe
@role_required("staff")
def contacts(request: HttpRequest) -> HttpResponseBase:
    found = ContactFilter(request.GET, queryset=narrowing.narrowed(Contact.objects.present(), request))
    sort, order = ordering(request.GET.get("sort", ""))
    rows = found.qs.order_by(*order).only(*SHOWN).with_slots().prefetch_related("tags", "identities")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    context = {
        "filter": found,
        "is_set": found.is_set or narrowing.is_set(request),
        # Asked for by the page and not by the table alone, and twice there.
        "narrowings": cache(partial(narrowing.shown, request)),
        "sort": sort,
        "page": page,
        "may_edit": may_edit(request),
        "apps_url": _apps_url(),
    }
    response = render_fragment_or_page(request, "contacts/list.html", "contacts/_table.html", context)
    if is_fragment(request):
        trigger(response, "announce", message=_told(page.paginator.count))
    return response


@require_POST
@role_required("marketer")
def export_contacts(request: HttpRequest) -> HttpResponseBase:
    """The contacts of the list as it is filtered now. POST, because the export is written down."""
    require(request, "marketer")
    found = ContactFilter(request.GET, queryset=narrowing.narrowed(Contact.objects.present(), request))
    kind = "jsonl" if request.POST.get("format") == "jsonl" else "csv"
    audit.record(
        request, "exported contacts", f"{found.qs.count()} contacts", format=kind, filter=request.GET.urlencode()
    )
    rows = export.contact_rows(found.qs)
    if kind == "jsonl":
        lines, content_type = json_lines(rows), "application/x-ndjson"
    else:
        columns = export.contact_columns()
        lines, content_type = csv_lines(map(export.flat_contact, rows), columns), "text/csv; charset=utf-8"
    response = StreamingHttpResponse(lines, content_type=content_type)
    name = f"contacts-{timezone.localdate():%Y-%m-%d}.{kind}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _told(count: int) -> str:
    return "1 contact" if count == 1 else f"{count:,} contacts"


def _apps_url() -> str:
    """Where Stripe is connected, for a list that is still empty."""
    for name in ("connections:app", "connections:apps"):
        try:
            return reverse(name)
        except NoReverseMatch:
            continue
    return ""
