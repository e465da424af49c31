"""Campaigns: all of them, and one with what became of its mails."""

from __future__ import annotations

from typing import Any

from csp.constants import SELF
from csp.decorators import csp_update
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from campaigns import delivery, mailbox, tags, usage
from campaigns.models import Campaign, Mail, Sending
from campaigns.previewing import preview
from campaigns.rendering import CannotRender
from campaigns.standing import figures, mail_badge, standing
from common.htmx import is_fragment, render_fragment_or_page, trigger
from common.record_fields import SOURCES
from common.text import storable
from contacts.models import Contact
from contacts.views.access import may_edit
from users.roles import role_required

PAGE = 50
# Typed loosely: the library believes that no view has arguments.
FRAMES: Any = csp_update({"frame-src": [SELF]})
SUGGESTED = 20

EXAMPLES = (
    ("A word for missing values", "{{ contact.first_name | default: 'there' }}"),
    ("A condition", "{% if recurring_payment.is_trial %} … {% else %} … {% endif %}"),
    (
        "The lines of an order",
        "{% for item in order.items %} {{ item.quantity }} × {{ item.name }} {{ item.amount }} {% endfor %}",
    ),
    ("A date in your own way", "{{ recurring_payment.next_payment_date | date: '%d.%m.%Y' }}"),
)


@require_safe
@role_required("staff")
def campaigns(request: HttpRequest) -> HttpResponseBase:
    found = _filtered(request)
    page = Paginator(found.select_related("sending").order_by("-updated_at", "-pk"), PAGE).get_page(
        request.GET.get("page")
    )
    numbers = figures(page.object_list)
    rows = [(one, standing(one, _sending(one), numbers[one.pk].queued), numbers[one.pk]) for one in page.object_list]
    context = {
        "page": page,
        "rows": rows,
        "kinds": Campaign.Kind.choices,
        "is_filtered": any(request.GET.get(name) for name in ("q", "kind", "archived")),
        "may_edit": may_edit(request),
        "can_send": delivery.is_configured(),
        "has_mailbox": mailbox.is_used(),
    }
    return render_fragment_or_page(request, "campaigns/list.html", "campaigns/_table.html", context)


@require_safe
@FRAMES
@role_required("staff")
def detail(request: HttpRequest, pk: int) -> HttpResponseBase:
    campaign = get_object_or_404(Campaign.objects.select_related("sending", "created_by"), pk=pk)
    return render(request, "campaigns/detail.html", about(request, campaign))


@require_safe
@role_required("staff")
def tag_list(request: HttpRequest) -> HttpResponseBase:
    """B044: every tag with what fills it."""
    source = request.GET.get("source", "")
    name = SOURCES.get(source, "")
    shown = [tag for tag in tags.tags() if not name or name in tag.sources]
    context = {
        "groups": tags.grouped(shown),
        "sources": SOURCES,
        "source": source if name else "",
        "examples": EXAMPLES,
    }
    return render(request, "campaigns/tags.html", context)


@require_safe
@role_required("staff")
def progress(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What moves on the page of a campaign that goes out. Asks again while it does."""
    campaign = get_object_or_404(Campaign.objects.select_related("sending"), pk=pk)
    if not is_fragment(request):
        return redirect(campaign)
    context = _moving(request, campaign)
    response = render(request, "campaigns/_results.html", context | {"out_of_band": True})
    if context["standing"].word != "Sending":
        trigger(response, "announce", message=f"The campaign has ended: {context['standing'].word}.")
    return response


def about(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """What the page of a campaign shows, whatever just happened there."""
    address = storable(request.GET.get("contact", ""))[:320]
    return _moving(request, campaign) | {
        "can_send": delivery.is_configured(),
        "as_contact": address,
        "subject": _subject(campaign, address),
        "suggested": suggested(),
    }


def _moving(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    outcome = request.GET.get("outcome", "")
    mails = Mail.objects.filter(campaign=campaign).select_related("contact").order_by("-pk")
    if outcome in Mail.Outcome.values:
        mails = mails.filter(outcome=outcome)
    page = Paginator(mails, PAGE).get_page(request.GET.get("page"))
    sending, numbers = _sending(campaign), figures([campaign])[campaign.pk]
    return {
        "campaign": campaign,
        "sending": sending,
        "uses": usage.uses(campaign),
        "standing": standing(campaign, sending, numbers.queued),
        "figures": numbers,
        "page": page,
        "mails": [(mail, mail_badge(mail)) for mail in page.object_list],
        "outcome": outcome,
        "outcomes": Mail.Outcome.choices,
        "may_edit": may_edit(request),
    }


def _subject(campaign: Campaign, address: str) -> str:
    """As the preview's contact would read it."""
    try:
        return preview(campaign, address).subject
    except CannotRender:
        return campaign.subject


def suggested() -> list[str]:
    """Addresses to look at a mail with."""
    newest = Contact.objects.present().exclude(email="").order_by("-created_at", "-pk")
    return list(newest.values_list("email", flat=True)[:SUGGESTED])


def _filtered(request: HttpRequest) -> QuerySet[Campaign]:
    found: QuerySet[Campaign] = Campaign.objects.present()
    if request.GET.get("archived"):
        found = Campaign.objects.exclude(archived_at=None)
    if request.GET.get("kind") in Campaign.Kind.values:
        found = found.filter(kind=request.GET["kind"])
    if words := storable(request.GET.get("q", ""))[:200]:
        found = found.filter(Q(name__icontains=words) | Q(subject__icontains=words))
    return found


def _sending(campaign: Campaign) -> Sending | None:
    return getattr(campaign, "sending", None)
