from __future__ import annotations

import uuid
from typing import Any, ClassVar, Self

from django.db import models, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from campaigns.models.campaign import Campaign
from common.due import DueManager, DueRow, State
from contacts.models import Contact
from orders.models import Order
from recurring_payments.models import RecurringPayment


class Mail(DueRow):
    """One mail to one contact, once for ever by its `key`. `DueRow.state` is the queue's, `outcome` the mail's.

    Nothing in SMTP makes sending twice harmless. So `handed_at` is committed just before the mail is handed over, and a
    mail whose worker died after that is "unknown": it is never sent again by itself.
    """

    class Outcome(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        UNKNOWN = "unknown", "Unknown"
        SUPPRESSED = "suppressed", "Not sent: unsubscribed"
        TEST = "test", "Test, not sent"
        CANCELLED = "cancelled", "Cancelled"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="mails", db_index=False)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="mails", db_index=False)
    key = models.CharField(max_length=200, unique=True, help_text="the same mail, asked for twice, has the same key")
    asked_by = models.CharField(
        max_length=200, blank=True, default="", help_text="who wants to know what becomes of it: run:7:s1"
    )
    told_at = models.DateTimeField(null=True, blank=True, help_text="when whoever asked had looked; null: news")
    delivery_id = models.UUIDField(default=uuid.uuid4, unique=True, help_text="the left side of its Message-ID")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.QUEUED)
    is_test = models.BooleanField(default=False, help_text="never leaves the house")
    is_tallied = models.BooleanField(
        default=False, db_default=False, help_text="counted for good; see campaigns.tallying"
    )
    # What the mail may speak of besides the contact.
    recurring_payment = models.ForeignKey(
        RecurringPayment, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    order = models.ForeignKey(Order, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False)
    event = models.JSONField(default=dict, blank=True, help_text="name -> text, number or yes/no")
    resend_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="resent")

    to = models.CharField(max_length=320, blank=True, default="", help_text="where it went")
    subject = models.CharField(max_length=500, blank=True, default="", help_text="as it was sent")
    created_at = models.DateTimeField(db_default=Now())
    handed_at = models.DateTimeField(null=True, blank=True, help_text="committed just before the hand-over")
    sent_at = models.DateTimeField(null=True, blank=True)
    provider_id = models.CharField(max_length=255, blank=True, default="", help_text="the provider's name for it")

    opens = models.PositiveIntegerField(default=0)
    clicks = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True, blank=True)
    clicked_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    bounced_at = models.DateTimeField(null=True, blank=True)
    complained_at = models.DateTimeField(null=True, blank=True)
    unsubscribed_at = models.DateTimeField(null=True, blank=True)
    replied_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[DueManager[Self]] = DueManager()

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], name="mail_due", condition=models.Q(state=State.DUE)),
            models.Index(fields=["lease_until"], name="mail_claimed", condition=models.Q(state=State.RUNNING)),
            models.Index(fields=["campaign", "-id"], name="mail_of_campaign"),
            models.Index(fields=["contact", "-id"], name="mail_of_contact"),
            models.Index(fields=["provider_id"], name="mail_of_provider", condition=~models.Q(provider_id="")),
            # Those a person may have to look at.
            models.Index(
                fields=["campaign"], name="mail_in_trouble", condition=models.Q(outcome__in=["failed", "unknown"])
            ),
            models.Index(
                fields=["id"],
                name="mail_untold",
                condition=models.Q(told_at__isnull=True) & ~models.Q(asked_by="") & ~models.Q(outcome="queued"),
            ),
            models.Index(fields=["campaign"], name="mail_untallied", condition=models.Q(is_tallied=False)),
            models.Index(
                fields=["id"],
                name="mail_to_tally",
                condition=models.Q(is_tallied=False) & ~models.Q(outcome__in=["queued", "unknown"]),
            ),
            models.Index(fields=["created_at"], name="mail_oldest"),
            models.Index(fields=["order"], name="mail_of_order", condition=models.Q(order__isnull=False)),
            models.Index(
                fields=["recurring_payment"],
                name="mail_of_recurring_payment",
                condition=models.Q(recurring_payment__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.subject or str(self.campaign)

    @classmethod
    def untold(cls) -> QuerySet[Mail]:
        """Those with news for whoever asked for them."""
        return cls.objects.filter(told_at=None).exclude(asked_by="").exclude(outcome=cls.Outcome.QUEUED)

    def ended(self, outcome: str, *, code: str = "", error: str = "", **about: Any) -> bool:
        """The end of this mail. False if it is no longer the caller's.

        A worker that was thought lost may still know better than "unknown" how it ended.
        """
        mine = type(self).objects.filter(pk=self.pk, claim_no=self.claim_no, is_tallied=False)
        return bool(
            mine.filter(outcome__in=[self.Outcome.QUEUED, self.Outcome.UNKNOWN]).update(
                state=State.DEAD if outcome == self.Outcome.FAILED else State.DONE,
                outcome=outcome,
                claims=0,
                lease_until=None,
                last_error_code=code[:60],
                last_error=error[:500],
                told_at=None,
                **about,
            )
        )

    def again(self, *, code: str, error: str) -> None:
        """Nobody took it, so it may be tried again by the queue's schedule, and at last fails."""
        with transaction.atomic():
            mine = type(self).objects.filter(pk=self.pk, claim_no=self.claim_no, outcome=self.Outcome.QUEUED)
            if mine.update(handed_at=None) and self.failed(code=code, error=error) == State.DEAD:
                mine.update(outcome=self.Outcome.FAILED)


class MailEvent(models.Model):
    """What became of a mail: each fact once. What a provider tells has the provider's id as `key`."""

    class Kind(models.TextChoices):
        OPENED = "opened", "Opened"
        CLICKED = "clicked", "Clicked"
        DELIVERED = "delivered", "Delivered"
        DEFERRED = "deferred", "Delayed"
        BOUNCED = "bounced", "Bounced"
        COMPLAINED = "complained", "Marked as spam"
        UNSUBSCRIBED = "unsubscribed", "Unsubscribed"
        REPLIED = "replied", "Replied"

    mail = models.ForeignKey(Mail, on_delete=models.CASCADE, related_name="happenings", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    at = models.DateTimeField(db_default=Now())
    url = models.TextField(blank=True, default="")
    detail = models.CharField(max_length=500, blank=True, default="")
    # Null, not "": any number of facts may have no key.
    key = models.CharField(max_length=255, unique=True, null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["mail", "-at"], name="mail_events")]

    def __str__(self) -> str:
        return f"{self.kind} {self.at}"
