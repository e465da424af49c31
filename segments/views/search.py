"""Advanced search: the conditions a person wrote become the address of the list of contacts."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from common.htmx import render_fragment_or_page
from segments.builder import Builder
from segments.conditions import ConditionError, Group
from segments.searching import CONDITIONS, as_parameter, from_parameter, kept
from users.roles import role_required


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("staff")
def search(request: HttpRequest) -> HttpResponseBase:
    """A page of its own for people without JavaScript and for mistakes; else the form stands on the list."""
    if request.method != "POST":
        context = {"builder": Builder("search", initial=_begun(request)), "kept": kept(request.GET.items())}
        return render_fragment_or_page(request, "segments/search.html", "segments/_search_form.html", context)
    builder, others = Builder("search", request.POST), kept(request.POST.items())
    if builder.is_valid():
        query = urlencode([*others, (CONDITIONS, as_parameter(builder.group))])
        return redirect(f"{reverse('contacts:list')}?{query}")
    status = 200 if builder.acted else 422
    context = {"builder": builder, "kept": others}
    return render_fragment_or_page(
        request, "segments/search.html", "segments/_search_form.html", context, status=status
    )


def _begun(request: HttpRequest) -> Group:
    try:
        return from_parameter(request.GET.get(CONDITIONS) or "{}")
    except ConditionError:
        return Group()
