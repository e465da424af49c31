from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from common.origin import Origin
from contacts.models.contact import Contact


class Kind(models.TextChoices):
    """What can happen to a contact. Public: exports and triggers name these."""

    CONTACT_CREATED = "contact.created", "Contact created"
    CONTACT_UPDATED = "contact.updated", "Contact updated"
    CONTACT_MERGED = "contact.merged", "Contact merged"
    TAG_ADDED = "tag.added", "Tag added"
    TAG_REMOVED = "tag.removed", "Tag removed"
    LIST_JOINED = "list.joined", "Joined list"
    LIST_LEFT = "list.left", "Left list"
    SOURCE_EVENT = "source.event", "Event received"
    ORDER_CREATED = "order.created", "Order created"
    ORDER_PAID = "order.paid", "Order paid"
    ORDER_REFUNDED = "order.refunded", "Order refunded"
    ORDER_REFUND_FAILED = "order.refund_failed", "Refund failed"
    ORDER_DISPUTED = "order.disputed", "Order disputed"
    RECURRING_PAYMENT_CREATED = "recurring_payment.created", "Recurring payment created"
    RECURRING_PAYMENT_UPDATED = "recurring_payment.updated", "Recurring payment updated"
    MAIL_SENT = "mail.sent", "Mail sent"
    MAIL_OPENED = "mail.opened", "Mail opened"
    MAIL_CLICKED = "mail.clicked", "Link followed in mail"
    MAIL_BOUNCED = "mail.bounced", "Mail came back"
    MAIL_COMPLAINED = "mail.complained", "Mail marked as spam"
    MAIL_UNSUBSCRIBED = "mail.unsubscribed", "Unsubscribed by mail"
    MAIL_REPLIED = "mail.replied", "Mail answered"


class Activity(models.Model):
    """One change, once: the timeline of a contact and the feed that automations pull.

    `dispatched_at` is empty until automations have looked at it; history's activities are born dispatched.
    """

    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="activities", null=True, blank=True, db_index=False
    )
    kind = models.CharField(max_length=30, choices=Kind.choices)
    occurred_at = models.DateTimeField(help_text="when it happened at the source")
    recorded_at = models.DateTimeField(db_default=Now())
    summary = models.CharField(max_length=300)
    changes = models.JSONField(default=list, blank=True, help_text="[{field, old, new}]")
    data = models.JSONField(default=dict, blank=True)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    is_test = models.BooleanField(default=False)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    dedupe = models.CharField(max_length=400, unique=True, help_text="the same change, told twice, has the same key")

    class Meta:
        verbose_name_plural = "activities"
        indexes = [
            models.Index(fields=["contact", "-occurred_at", "-id"], name="activity_timeline"),
            models.Index(fields=["id"], name="activity_undispatched", condition=models.Q(dispatched_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.summary
