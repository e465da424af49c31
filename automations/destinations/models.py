"""Where things are sent to, what is to be sent, and each try."""

from __future__ import annotations

import os
import time
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import Now
from django.urls import reverse

from automations.models.run import Run
from common import encryption
from common.due import DueManager, DueQuerySet, DueRow, State
from contacts.models import Contact
from orders.models import Order
from recurring_payments.models import RecurringPayment


def new_delivery_id() -> uuid.UUID:
    """Milliseconds first, then chance: also a ULID, which Customer.io knows an event by."""
    return uuid.UUID(bytes=int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))


class Host(models.Model):
    """What is common to all that goes to one host: how it has been doing, and when the next request may leave."""

    name = models.CharField(max_length=300, unique=True, help_text="name:port")
    failures = models.PositiveIntegerField(default=0, help_text="failures of the host in a row")
    paused_until = models.DateTimeField(null=True, blank=True)
    next_slot_at = models.DateTimeField(db_default=Now(), help_text="when the next request may leave")

    class Meta:
        db_table = "automations_destinationhost"

    def __str__(self) -> str:
        return self.name


class DestinationQuerySet(models.QuerySet["Destination"]):
    def webhooks(self) -> DestinationQuerySet:
        return self.filter(kind=Destination.Kind.WEBHOOK)

    def customerio(self) -> DestinationQuerySet:
        return self.filter(kind=Destination.Kind.CUSTOMERIO)


class Destination(models.Model):
    """A foreign system things are sent to. What waits for one that is not active leaves when it is so again."""

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Webhook"
        CUSTOMERIO = "customerio", "Customer.io"

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        HELD = "held", "Credentials refused"
        DISABLED = "disabled", "Disabled"

    class Region(models.TextChoices):
        US = "us", "United States"
        EU = "eu", "European Union"

    class Person(models.TextChoices):
        EMAIL = "email", "Email address"
        ID = "id", "Contact ID of this installation"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=100, unique=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.ACTIVE)
    error = models.CharField(max_length=500, blank=True, default="", help_text="why it is not active, in words")
    takes_tests = models.BooleanField(default=False, help_text="deliveries of test automations go there as well")
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="destinations")
    url = models.CharField(max_length=1000, blank=True, default="", help_text="of a webhook")

    secret_sealed = models.BinaryField(null=True, blank=True)
    secret_hint = models.CharField(max_length=40, blank=True, default="")
    previous_secret_sealed = models.BinaryField(null=True, blank=True)
    previous_secret_until = models.DateTimeField(null=True, blank=True)

    region = models.CharField(max_length=2, choices=Region.choices, blank=True, default="")
    site_id = models.CharField(max_length=100, blank=True, default="")
    api_key_sealed = models.BinaryField(null=True, blank=True)
    key_hint = models.CharField(max_length=40, blank=True, default="")
    identify_by = models.CharField(max_length=5, choices=Person.choices, default=Person.EMAIL)

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DestinationQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("destinations:detail", args=[self.pk])

    @property
    def is_active(self) -> bool:
        return self.state == self.State.ACTIVE

    @property
    def is_webhook(self) -> bool:
        return self.kind == self.Kind.WEBHOOK

    @property
    def standing(self) -> tuple[str, str]:
        """(kind of badge, word) for people. A webhook has no credentials: it is held when its secret cannot be read."""
        if self.state == self.State.HELD:
            return "bad", "Signing secret unreadable" if self.is_webhook else "Credentials refused"
        return ("ok", "Active") if self.is_active else ("neutral", "Disabled")

    def seal(self, field: str, text: str) -> None:
        """Store a secret in `<field>_sealed`, bound to this row and column. The row must have a primary key."""
        setattr(self, f"{field}_sealed", encryption.seal(text, owner=f"destination:{self.pk}:{field}"))

    def open(self, field: str) -> encryption.Secret | None:
        """The secret of `<field>_sealed`, decrypted now. SecretUnreadable if it does not open here."""
        sealed = getattr(self, f"{field}_sealed")
        return encryption.unseal(sealed, owner=f"destination:{self.pk}:{field}") if sealed else None


# Seconds from one try to the next, each ± 20 %; the first try is at once. After the last one a person decides.
SCHEDULE = [5, 300, 1800, 7200, 18000, 36000, 36000, 86400]


def in_turn() -> DestinationQuerySet:
    """Destinations that something is due for and that take it now, the one that has waited longest first.

    `waits_since`: when its first delivery became due.
    """
    due = Delivery.objects.due().filter(destination=OuterRef("pk")).order_by("next_attempt_at")
    taking = Destination.objects.filter(state=Destination.State.ACTIVE).exclude(host__paused_until__gt=Now())
    with_work = taking.annotate(waits_since=Subquery(due.values("next_attempt_at")[:1])).exclude(waits_since=None)
    return with_work.order_by("waits_since", "pk")


def waits_since() -> datetime | None:
    """When what has waited longest, of all that may leave, became due."""
    return getattr(in_turn().first(), "waits_since", None)


class DeliveryQuerySet(DueQuerySet["Delivery"]):
    def sendable(self) -> DeliveryQuerySet:
        """Due, for a destination that takes deliveries at a host that is not left alone for a while."""
        resting = Q(destination__host__paused_until__gt=Now())
        return self.due().filter(destination__state=Destination.State.ACTIVE).exclude(resting)


class DeliveryManager(DueManager["Delivery"]):
    def get_queryset(self) -> DeliveryQuerySet:
        return DeliveryQuerySet(self.model, using=self._db)

    def sendable(self) -> DeliveryQuerySet:
        return self.get_queryset().sendable()


class Delivery(DueRow):
    """One thing to be sent. `uid` is its name for the receiver on every try, so that two arrivals are known as one."""

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Webhook"
        PERSON = "person", "Create or update person"
        EVENT = "event", "Track event"

    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    uid = models.UUIDField(default=new_delivery_id, unique=True)
    key = models.CharField(max_length=200, unique=True, help_text="the same wish has the same key: run:7:s2")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    event_name = models.CharField(max_length=150, blank=True, default="")
    is_test = models.BooleanField(default=False)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    recurring_payment = models.ForeignKey(
        RecurringPayment, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    order = models.ForeignKey(Order, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False)
    event = models.JSONField(default=dict, blank=True, help_text="what the trigger told")
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, blank=True, related_name="deliveries")
    step = models.CharField(max_length=20, blank=True, default="")
    mapping = models.JSONField(default=list, blank=True, help_text='a person: [{"from", "to"}], read when it is sent')
    body = models.TextField(blank=True, default="", help_text="the JSON that is sent, of a person that of the last try")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="what was answered last")

    objects = DeliveryManager()

    class Meta:
        indexes = [
            # What waits for one that takes nothing now is never looked at on the way to what may leave.
            models.Index(
                fields=["destination", "next_attempt_at", "id"], name="delivery_turns", condition=Q(state=State.DUE)
            ),
            models.Index(
                fields=["next_attempt_at", "id"],
                name="delivery_suspects",
                condition=Q(state=State.DUE, claims__gt=0),
            ),
            models.Index(fields=["lease_until"], name="delivery_lease", condition=Q(state=State.RUNNING)),
            models.Index(fields=["destination", "-id"], name="delivery_newest"),
            # Those that follow an order into the one it is part of.
            models.Index(fields=["order"], name="delivery_of_order", condition=Q(order__isnull=False)),
            models.Index(fields=["destination", "state", "-id"], name="delivery_of_state"),
            models.Index(fields=["run"], name="delivery_failed", condition=Q(state=State.DEAD)),
            models.Index(
                fields=["finished_at"], name="delivery_old", condition=Q(state__in=[State.DONE, State.IGNORED])
            ),
            models.Index(fields=["finished_at"], name="delivery_failed_old", condition=Q(state=State.DEAD)),
        ]

    def __str__(self) -> str:
        return self.event_name or self.get_kind_display()

    def get_absolute_url(self) -> str:
        return reverse("destinations:delivery", args=[self.pk])

    @property
    def message_id(self) -> str:
        """`webhook-id` of Standard Webhooks."""
        return f"msg_{self.uid.hex}"

    @property
    def standing(self) -> tuple[str, str]:
        """(kind of badge, word) for people."""
        if self.state == State.DUE and not self.destination.is_active:
            return "warn", "Held"
        if self.state == State.DUE:
            return ("warn", "Retrying") if self.attempts else ("info", "Waiting")
        words = {
            State.DONE: ("ok", "Delivered"),
            State.DEAD: ("bad", "Failed"),
            State.RUNNING: ("info", "Sending"),
            State.IGNORED: ("neutral", "Dismissed"),
        }
        return words.get(State(self.state), ("neutral", self.get_state_display()))

    @property
    def is_over(self) -> bool:
        return self.state in (State.DONE, State.DEAD, State.IGNORED)

    def settle(self, **values: Any) -> bool:
        """End the claim with these values. False if it has passed to another worker meanwhile."""
        return self._write(claims=0, lease_until=None, **values)


class DeliveryAttempt(models.Model):
    """One try: what was answered, or why nothing was."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField(db_default=Now())
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    body = models.TextField(blank=True, default="", help_text="of the answer, at most 64 kB")
    message = models.CharField(max_length=500, blank=True, default="", help_text="what went wrong, in words")
    milliseconds = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.delivery_id}: {self.status or self.message}"


OVERLAP = timedelta(hours=24)
