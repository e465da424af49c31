"""All automations."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from automations import figures, picture, trouble
from automations.models import Automation
from common import once
from common.htmx import is_fragment
from contacts.views.access import may_edit
from users.roles import role_required

PAGE = 50


@require_safe
@role_required("staff")
def automations(request: HttpRequest) -> HttpResponseBase:
    state, words = request.GET.get("state", ""), request.GET.get("q", "").strip()[:150].replace("\0", "")
    rows = Automation.objects.filter(state=state) if state in Automation.State.values else Automation.objects.present()
    if words:
        rows = rows.filter(Q(name__icontains=words) | Q(description__icontains=words))
    page = Paginator(rows.order_by("name", "pk").select_related("current"), PAGE).get_page(request.GET.get("page"))
    known, wrong = figures.of(page), trouble.of(one.pk for one in page)
    with once.a_page():
        listed = [
            {"automation": one, "figures": known[one.pk], "starts": starts(one), "wrong": wrong.get(one.pk)}
            for one in page
        ]
    context = {
        "page": page,
        "rows": listed,
        "state": state,
        "q": words,
        "states": Automation.State.choices,
        "may_edit": may_edit(request),
        "is_filtered": bool(state or words),
    }
    return render(request, "automations/_table.html" if is_fragment(request) else "automations/list.html", context)


def starts(automation: Automation) -> str:
    """What starts it now: by the version that runs, or by the draft before there is one."""
    return picture.in_words((automation.current or automation).triggers)
