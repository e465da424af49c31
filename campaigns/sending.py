"""The queue of mails: asked for inside a transaction, sent outside of any, never twice.

Just before a mail is handed over, one transaction asks the suppression list and commits `handed_at`. A worker that
dies before that leaves a mail that is tried again; one that dies after it a mail nobody knows about, which waits for a
person.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Prefetch, prefetch_related_objects
from django.db.models.functions import Now

from campaigns import delivery, links, telling, values
from campaigns.delivery import Carrier, Result, Unreachable, Verdict
from campaigns.mailbox import copy_of
from campaigns.models import Campaign, DeliverySettings, Mail, SentCopy, Suppression
from campaigns.personalization import roots
from campaigns.rendering import CannotRender, Rendered, Tracking, render
from campaigns.suppressing import hold
from campaigns.tags import ORDER, RECURRING_PAYMENT
from common import due
from common.due import State
from common.fields import Field
from common.text import storable_tree
from contacts.fields import contact_fields
from contacts.merging import hold_merges
from orders.models import Order, OrderQuerySet

logger = logging.getLogger(__name__)
BATCH = 20
# A slow mail server must not take every thread that also has to talk to others.
AT_ONCE = 4 * BATCH
DRAIN_SECONDS = 20
LONGEST_VALUE = 2000
RENEW_AFTER = 10.0
# How long how a mail ended is tried to be written, less than its lease and what it was handed over in.
_PATIENCE, _PAUSE = 30.0, 0.1


def queue(
    campaign: Campaign,
    contact_id: int,
    *,
    key: str,
    recurring_payment_id: int | None = None,
    order_id: int | None = None,
    event: Mapping[str, Any] | None = None,
    is_test: bool = False,
    asked_by: str = "",
) -> Mail:
    """Have a mail sent, inside the caller's transaction. Once for ever by `key`: again, it is the same mail.

    What becomes of it, and of one resent for it, is news under `asked_by` (`Mail.untold`), where that is not empty.

    `event` holds what the event tags say: name -> text, number, yes/no or ISO time; what nests is left out.
    """
    mail = Mail(
        campaign=campaign,
        contact_id=contact_id,
        key=key,
        recurring_payment_id=recurring_payment_id,
        order_id=order_id,
        event=_kept(event or {}),
        is_test=is_test,
        asked_by=asked_by,
    )
    Mail.objects.bulk_create([mail], ignore_conflicts=True)
    return Mail.objects.get(key=key)


def resend(mail: Mail) -> Mail:
    """A person's decision: the same mail once more. Twice on the button is once."""
    return Mail.objects.get_or_create(
        key=f"resend:{mail.pk}",
        defaults={
            "campaign_id": mail.campaign_id,
            "contact_id": mail.contact_id,
            "recurring_payment_id": mail.recurring_payment_id,
            "order_id": mail.order_id,
            "event": mail.event,
            "is_test": mail.is_test,
            "resend_of": mail,
            "asked_by": mail.asked_by,
        },
    )[0]


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Send due mails until there are none, the mail server does not answer or the time is up. How many were worked."""
    if not delivery.is_configured():
        return 0
    ends, worked = time.monotonic() + seconds, 0
    settle_lost()
    while time.monotonic() < ends and Mail.objects.claimed().count() < AT_ONCE:
        mails: list[Mail] = Mail.objects.claim(BATCH)
        if not mails:
            break
        worked += len(mails)
        if not _send(mails):
            break
    return worked


def settle_lost() -> int:
    """Mails whose worker is gone: those it may have handed over are unknown, the others are due again.

    Returns how many are unknown now.
    """
    gone = Mail.objects.claimed().filter(lease_until__lt=Now())
    unknown = gone.filter(handed_at__isnull=False).update(
        state=State.DONE,
        outcome=Mail.Outcome.UNKNOWN,
        claims=0,
        lease_until=None,
        told_at=None,
        last_error_code="worker_lost",
        last_error="The worker stopped while it handed this mail over.",
    )
    with transaction.atomic():
        dead = Mail.objects.get_queryset().filter(handed_at__isnull=True).release_expired()
        Mail.objects.filter(pk__in=dead).update(outcome=Mail.Outcome.FAILED)
    return unknown


def _send(mails: list[Mail]) -> bool:
    """False when the mail server could not be reached: then nothing else is worth trying now."""
    orders = Prefetch("order", OrderQuerySet(Order).with_parts().prefetch_related("items"))
    prefetch_related_objects(mails, "campaign", "contact", "recurring_payment", orders)
    settings, fields = DeliverySettings.current(), list(contact_fields())
    carrier: Carrier | None = None
    renewed = time.monotonic()
    for place, mail in enumerate(mails):
        if time.monotonic() - renewed > RENEW_AFTER:
            _renew(mails[place:])
            renewed = time.monotonic()
        if mail.order_id and mail.order is None:
            # Claimed before its order became part of another one; the next claim knows which.
            mail.later(timedelta(0))
            continue
        try:
            rendered = _rendered(mail, settings, fields)
        except CannotRender as error:
            mail.ended(Mail.Outcome.FAILED, code="template", error=str(error))
            continue
        if mail.is_test or mail.contact.is_test:
            keep_copy(mail, rendered, settings)
            continue
        try:
            carrier = carrier or Carrier()
            carrier.ready()
        except Unreachable as error:
            for waiting in mails[place:]:
                waiting.again(code="unreachable", error=f"The mail server cannot be reached: {error}")
            return False
        if _hand(mail, rendered):
            _note(mail, carrier.hand_over(_message(mail, rendered, settings)))
    if carrier:
        carrier.close()
    return True


def _renew(mails: list[Mail]) -> None:
    """They wait behind a slow mail server, not for a worker that is gone."""
    for mail in mails:
        mine = Mail.objects.filter(pk=mail.pk, claim_no=mail.claim_no, state=State.RUNNING)
        mine.update(lease_until=Now() + due.LEASE)


def _rendered(mail: Mail, settings: DeliverySettings, fields: list[Field]) -> Rendered:
    campaign = mail.campaign
    if not mail.contact.email_key:
        raise CannotRender("The contact has no email address.")
    needed = roots(campaign)
    if RECURRING_PAYMENT in needed and mail.recurring_payment is None:
        raise CannotRender("The mail speaks of a recurring payment, and the automation brought none.")
    if ORDER in needed and mail.order is None:
        raise CannotRender("The mail speaks of an order, and the automation brought none.")
    said = values.of_mail(
        mail.contact,
        recurring_payment=mail.recurring_payment,
        order=mail.order,
        event=mail.event,
        unsubscribe_url=links.unsubscribe_url(mail.pk, mail.contact_id),
        delivery=settings,
        fields=fields,
    )
    return render(campaign, said, settings, tracking(mail))


def tracking(mail: Mail) -> Tracking:
    def follow(target: str) -> str:
        return links.click_url(mail.pk, target) if len(target) <= links.LONGEST_TARGET else target

    campaign = mail.campaign
    return Tracking(
        link=follow if campaign.tracks_clicks else None,
        picture=links.open_url(mail.pk) if campaign.tracks_opens else "",
    )


def _message(mail: Mail, rendered: Rendered, settings: DeliverySettings) -> Any:
    return delivery.message(
        mail.campaign,
        rendered,
        settings,
        to=mail.contact.email,
        name=mail.contact.name,
        delivery_id=mail.delivery_id,
        unsubscribe_url=links.unsubscribe_url(mail.pk, mail.contact_id),
    )


def _hand(mail: Mail, rendered: Rendered) -> bool:
    """Commit that the mail is about to leave. False if it is no longer ours, or its address wants no mail."""
    key = mail.contact.email_key or ""
    mine = Mail.objects.filter(
        pk=mail.pk, claim_no=mail.claim_no, state=State.RUNNING, outcome=Mail.Outcome.QUEUED, handed_at=None
    )
    with transaction.atomic():
        hold(key)
        if reason := Suppression.objects.filter(email_key=key).values_list("reason", flat=True).first():
            mail.ended(Mail.Outcome.SUPPRESSED, code=reason)
            return False
        return bool(
            mine.update(
                handed_at=Now(),
                lease_until=Now() + due.LEASE,
                to=mail.contact.email,
                subject=rendered.subject,
            )
        )


def _note(mail: Mail, result: Result) -> None:
    """Write down how it ended, which nobody else knows: a merge of its contact may hold the row for a while."""
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            _noted(mail, result)
            return
        except OperationalError:
            if time.monotonic() > ends:
                raise
            logger.warning("How a mail ended cannot be written down yet", extra={"mail": mail.pk})
            connection.close_if_unusable_or_obsolete()
            time.sleep(_PAUSE)


def _noted(mail: Mail, result: Result) -> None:
    match result.verdict:
        case Verdict.SENT:
            # Alone and first: that it left must not hang on what its contact's timeline says.
            if mail.ended(Mail.Outcome.SENT, sent_at=Now(), provider_id=result.provider_id):
                _tell(mail)
        case Verdict.UNKNOWN:
            mail.ended(Mail.Outcome.UNKNOWN, code="no_answer", error=result.detail)
        case Verdict.NEVER:
            mail.ended(Mail.Outcome.FAILED, code=result.code or "refused", error=result.detail)
        case Verdict.AGAIN:
            mail.again(code=result.code or "later", error=result.detail)


def _tell(mail: Mail) -> None:
    """What fails here, behind a long merge say, is told when the mail is counted (`tallying`)."""
    try:
        with transaction.atomic():
            hold_merges()
            telling.sent([mail.pk])
    except DatabaseError:
        logger.exception("A mail that was sent is not on the timeline yet", extra={"mail": mail.pk})


def keep_copy(mail: Mail, rendered: Rendered, settings: DeliverySettings) -> None:
    """A mail to a test contact: made, kept to be looked at, and never sent."""
    made = _message(mail, rendered, settings)
    with transaction.atomic():
        # Only by who still has the claim: another worker keeps its own.
        if mail.ended(Mail.Outcome.TEST, is_test=True, subject=rendered.subject, to=mail.contact.email):
            SentCopy.objects.create(**copy_of(made), mail=mail, was_sent=False)


def _kept(event: Mapping[str, Any]) -> dict[str, Any]:
    plain = {
        str(name): value[:LONGEST_VALUE] if isinstance(value, str) else value
        for name, value in event.items()
        if value is None or isinstance(value, str | int | float | bool)
    }
    kept: dict[str, Any] = storable_tree(plain)
    return kept
