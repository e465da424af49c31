"""Test mail, recipients, and the moment a direct campaign goes out or is stopped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from campaigns import delivery, direct, previewing
from campaigns.confirming import Question
from campaigns.delivery import Verdict
from campaigns.direct import Audience, Count
from campaigns.forms import AudienceForm, SendForm
from campaigns.models import Campaign
from campaigns.personalization import problems
from campaigns.rendering import CannotRender
from campaigns.standing import settled
from common.text import storable
from segments.conditions import ConditionError
from users import audit
from users.models import User
from users.roles import require, role_required

NO_WAY = "There is no way to send mail yet. An admin sets EMAIL_URL on the server; see Settings, Email delivery."

CHANGED = "Somebody changed this campaign or its segments just now, so it was not sent. Look again."
NOTHING_WAITS = "Nothing was left to cancel: no mail of this campaign waits any more."


class _Settled(Exception):
    """It is scheduled or went out: why nothing of it can be chosen any more, in words."""


def _back_if_settled(view: Callable[[HttpRequest, int], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A second click, Back, another tab: in place of a page that is gone the campaign's is shown, and says why."""

    @wraps(view)
    def shown(request: HttpRequest, pk: int) -> HttpResponseBase:
        try:
            return view(request, pk)
        except _Settled as why:
            messages.info(request, str(why))
            return redirect("campaigns:detail", pk)

    return shown


@require_POST
@role_required("marketer")
def test_mail(request: HttpRequest, pk: int) -> HttpResponseBase:
    campaign, user = get_object_or_404(Campaign, pk=pk), require(request, "marketer")
    if not delivery.is_configured():
        messages.error(request, NO_WAY)
        return redirect(campaign)
    try:
        result = previewing.send_test(campaign, user, storable(request.POST.get("contact", ""))[:320])
    except CannotRender as error:
        messages.error(request, str(error))
        return redirect(campaign)
    if result.verdict == Verdict.SENT:
        messages.success(request, f"Test mail sent to {user.email}")
    else:
        messages.error(request, f"The test mail was not sent. {result.detail}")
    return redirect(campaign)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
@_back_if_settled
@transaction.atomic
def recipients(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Lists and segments; then the question."""
    campaign = _unsent(pk, held=request.method == "POST")
    form = AudienceForm(request.POST or None, instance=campaign)
    if form.is_valid():
        form.save()
        return redirect("campaigns:send", pk)
    chosen = None if form.is_bound else _count(Audience.of(campaign))
    context = {"form": form, "campaign": campaign, "count": chosen}
    return render(request, "campaigns/recipients.html", context, status=422 if form.errors else 200)


@require_POST
@role_required("marketer")
def count(request: HttpRequest, pk: int) -> HttpResponseBase:
    """How many the boxes ticked so far reach. Saves nothing."""
    try:
        campaign = _unsent(pk)
    except _Settled:
        raise Http404 from None
    form = AudienceForm(request.POST, instance=campaign)
    form.is_valid()
    values = form.cleaned_data
    audience = Audience(
        tuple(one.pk for one in values.get("lists", ())),
        tuple(values.get("segments", ())),
        bool(values.get("to_test_contacts")),
    )
    return render(request, "campaigns/_count.html", {"campaign": campaign, "count": _count(audience)})


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
@_back_if_settled
def send(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The question with the number, and the yes to it. What became another question meanwhile is asked again."""
    campaign, user = _unsent(pk), require(request, "marketer")
    reached = _count(Audience.of(campaign))
    refused = _refusal(campaign, reached)
    question = Question.of(campaign, reached.recipients if reached else 0)
    form = SendForm(request.POST or None)
    is_other = form.is_bound and not refused and not question.is_meant_by(request.POST.get("confirmed", ""))
    if form.is_valid() and not refused and not is_other:
        if not _begun(request, question, user, form.time, pk):
            messages.error(request, CHANGED)
            return redirect("campaigns:send", pk)
        messages.success(request, "The campaign is scheduled" if form.time else "The campaign is going out")
        return redirect(campaign)
    context = {
        "form": form,
        "campaign": campaign,
        "count": reached,
        "refused": refused,
        "question": question,
        "is_other": is_other,
    }
    status = 422 if form.errors or (form.is_bound and refused) else 409 if is_other else 200
    return render(request, "campaigns/send.html", context, status=status)


@require_POST
@role_required("marketer")
def cancel(request: HttpRequest, pk: int) -> HttpResponseBase:
    campaign = get_object_or_404(Campaign, pk=pk)
    stay = direct.cancel(campaign)
    if stay is None:
        messages.error(request, NOTHING_WAITS)
        return redirect(campaign)
    audit.record(request, "cancelled campaign", campaign, kept_back=stay)
    if not settled(campaign):
        messages.success(request, "Nothing was sent. The campaign is a draft again.")
        return redirect(campaign)
    kept = "1 mail was kept back." if stay == 1 else f"{stay:,} mails were kept back."
    messages.success(request, f"The campaign was cancelled. {kept if stay else ''}".strip())
    return redirect(campaign)


@require_POST
@role_required("marketer")
def retry(request: HttpRequest, pk: int) -> HttpResponseBase:
    campaign = get_object_or_404(Campaign, pk=pk)
    if direct.retry(campaign):
        audit.record(request, "retried campaign", campaign)
        messages.success(request, "The campaign goes on from where it stopped")
    return redirect(campaign)


@transaction.atomic
def _begun(request: HttpRequest, asked: Question, user: User, at: datetime | None, pk: int) -> bool:
    """False when it is not what was counted any more. Counting takes time, so it is held only for this."""
    campaign = _unsent(pk, held=True)
    if Question.of(campaign, asked.recipients) != asked:
        return False
    direct.send(campaign, user, at)
    told = {"starts": at.isoformat()} if at else {}
    audit.record(
        request, "scheduled campaign" if at else "sent campaign", campaign, recipients=asked.recipients, **told
    )
    return True


def _unsent(pk: int, *, held: bool = False) -> Campaign:
    """A direct campaign that can still be sent; `held`: nobody else changes it meanwhile. _Settled; 404 for others."""
    known = Campaign.objects.present()
    if held:
        # Mails of it may be made all the same.
        known = known.select_for_update(no_key=True)
    campaign = get_object_or_404(known, pk=pk, kind=Campaign.Kind.DIRECT)
    if why := settled(campaign):
        raise _Settled(why)
    return campaign


def _count(audience: Audience) -> Count | None:
    """None where a segment asks about a field that is gone."""
    try:
        return audience.count()
    except ConditionError:
        return None


def _refusal(campaign: Campaign, reached: Count | None) -> str:
    """Why it cannot be sent, or ""."""
    if not delivery.is_configured():
        return NO_WAY
    if reached is None:
        return "A segment asks about a field that no longer exists. Open the segment and mend it."
    if not reached.recipients:
        return "Nobody would get this campaign. Choose other lists or segments."
    for source, is_html in zip(campaign.sources, (False, False, True, False), strict=True):
        if found := problems(source, kind=campaign.kind, is_html=is_html):
            return str(found[0])
    return ""
