"""What a stranger's or a user's HTML is shown in: a document of its own that may run nothing and load only pictures.

The page holds it in `<iframe sandbox>`; the policy here holds when somebody opens the address alone.
"""

from __future__ import annotations

from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.html import escape
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from campaigns import links
from campaigns.forms import CampaignForm
from campaigns.models import Campaign, SentCopy
from campaigns.previewing import preview
from campaigns.rendering import CannotRender, Rendered, problem_page
from common.text import storable
from users.roles import require, role_required

# Pictures by https, as in the mail itself: without them nobody could judge its look.
_POLICY = {
    "sandbox": [True],
    "default-src": [NONE],
    "style-src": [UNSAFE_INLINE],
    "img-src": ["https:", "data:"],
    "frame-ancestors": [SELF],
    "base-uri": [NONE],
    "form-action": [NONE],
}
ALONE: Any = csp(_POLICY)


@require_safe
@ALONE
@xframe_options_sameorigin
@never_cache
@role_required("staff")
def saved(request: HttpRequest, pk: int) -> HttpResponse:
    return _framed(get_object_or_404(Campaign, pk=pk), request.GET.get("contact", ""))


@require_POST
@ALONE
@xframe_options_sameorigin
@never_cache
@role_required("marketer")
def draft(request: HttpRequest) -> HttpResponse:
    """What stands in the editor now, without saving it."""
    form = CampaignForm(request.POST)
    form.is_valid()
    for name, errors in form.errors.items():
        if name in ("subject", "preheader", "html", "text"):
            return HttpResponse(problem_page(f"{form.fields[name].label}: {' '.join(map(str, errors))}"))
    content = ("subject", "preheader", "html", "text")
    campaign = Campaign(name="", **{name: form.cleaned_data.get(name, "") for name in content})
    return _framed(campaign, request.POST.get("as_contact", ""))


@require_safe
@ALONE
@xframe_options_sameorigin
@never_cache
@role_required("staff")
def copy(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(SentCopy.objects.seen_by(require(request, "staff")), pk=pk)
    return HttpResponse(links.uncounted(kept.html) or _as_page(kept.text))


def _framed(campaign: Campaign, address: str) -> HttpResponse:
    try:
        rendered = preview(campaign, storable(address)[:320])
    except CannotRender as error:
        return HttpResponse(problem_page(str(error)))
    return HttpResponse(_page(rendered))


def _page(rendered: Rendered) -> str:
    return rendered.html or _as_page(rendered.text)


def _as_page(text: str) -> str:
    look = "white-space:pre-wrap;font:14px/1.5 sans-serif"
    return f'<!DOCTYPE html><title>-</title><pre style="{look}">{escape(text)}</pre>'
