"""Writing a campaign."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from campaigns import tags, usage
from campaigns.cleaning import refused_styles, removed
from campaigns.forms import CampaignForm
from campaigns.models import Campaign
from campaigns.standing import figures, settled, standing
from campaigns.views.browse import FRAMES, suggested
from contacts.views.access import own_address
from users import audit
from users.roles import require, role_required

UNFINISHED = "This campaign is scheduled or going out. Cancel it first: archived, it would be sent all the same."


@require_http_methods(["GET", "HEAD", "POST"])
@FRAMES
@role_required("marketer")
def create(request: HttpRequest) -> HttpResponseBase:
    kind = request.GET.get("kind", "")
    initial = {"kind": kind if kind in Campaign.Kind.values else Campaign.Kind.AUTOMATED}
    form = CampaignForm(request.POST or None, initial=initial)
    if not form.is_valid():
        return _editor(request, form)
    form.instance.created_by = require(request, "marketer")
    campaign: Campaign = form.save()
    audit.record(request, "created campaign", campaign, kind=campaign.kind)
    return _saved(request, campaign)


@require_http_methods(["GET", "HEAD", "POST"])
@FRAMES
@role_required("marketer")
@transaction.atomic
def edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    known = Campaign.objects.select_for_update(no_key=True) if request.method == "POST" else Campaign.objects.all()
    campaign = get_object_or_404(known, pk=pk)
    if why := settled(campaign):
        return _settled(request, campaign, why)
    form = CampaignForm(request.POST or None, instance=campaign)
    if not form.is_valid():
        return _editor(request, form, campaign)
    form.save()
    audit.record(request, "changed campaign", campaign, fields=form.changed_data)
    return _saved(request, campaign)


@require_POST
@role_required("marketer")
def duplicate(request: HttpRequest, pk: int) -> HttpResponseBase:
    original = get_object_or_404(Campaign, pk=pk)
    lists, segments = list(original.lists.all()), list(original.segments.all())
    original.pk, original.archived_at = None, None
    original._state.adding = True
    original.name = f"Copy of {original.name}"[:150]
    original.created_by = require(request, "marketer")
    original.save()
    original.lists.set(lists)
    original.segments.set(segments)
    audit.record(request, "duplicated campaign", original, of=pk)
    messages.success(request, "Campaign duplicated")
    return redirect("campaigns:edit", original.pk)


@require_POST
@role_required("marketer")
def archive(request: HttpRequest, pk: int, archived: bool) -> HttpResponseBase:
    campaign = get_object_or_404(Campaign.objects.select_related("sending"), pk=pk)
    queued = figures([campaign])[pk].queued
    if archived and standing(campaign, getattr(campaign, "sending", None), queued).word in ("Scheduled", "Sending"):
        messages.error(request, UNFINISHED)
        return redirect(campaign)
    if archived and (found := usage.uses(campaign)):
        names = ", ".join(f"“{use.label}”" for use in found)
        messages.error(request, f"This mail is sent by {names}. Take it out there, or archive the automation, first.")
        return redirect(campaign)
    Campaign.objects.filter(pk=pk).update(archived_at=timezone.now() if archived else None)
    audit.record(request, "archived campaign" if archived else "restored campaign", campaign)
    messages.success(request, "Campaign archived" if archived else "Campaign restored")
    return redirect("campaigns:list") if archived else redirect(campaign)


def _saved(request: HttpRequest, campaign: Campaign) -> HttpResponseBase:
    messages.success(request, "Campaign saved")
    if gone := removed(campaign.html):
        names = ", ".join(f"<{name}>" for name in gone)
        messages.warning(request, f"No mail program shows {names}, so mails go out without.")
    if why := refused_styles(campaign.html):
        names = ", ".join(f"“{word[:60]}”" for word in why)
        messages.warning(request, f"Styles with {names} could load or run something, so mails go out without them.")
    # The step of an automation it was written for.
    return redirect(own_address(request, "back") or campaign.get_absolute_url())


def _settled(request: HttpRequest, campaign: Campaign, why: str) -> HttpResponseBase:
    """Somebody sent it while this was written. The text stays in its form, to be saved as another campaign."""
    if request.method != "POST":
        messages.info(request, why)
        return redirect(campaign)
    return _editor(request, CampaignForm(request.POST, instance=campaign), campaign, why=why)


def _editor(
    request: HttpRequest, form: CampaignForm, campaign: Campaign | None = None, *, why: str = ""
) -> HttpResponseBase:
    is_direct = form.kind == Campaign.Kind.DIRECT
    context: dict[str, Any] = {
        "form": form,
        "campaign": campaign,
        "is_direct": is_direct,
        "settled": why,
        "groups": tags.grouped(tags.allowed(is_direct=is_direct)),
        "suggested": suggested(),
    }
    status = 409 if why else 422 if form.errors else 200
    return render(request, "campaigns/edit.html", context, status=status)
