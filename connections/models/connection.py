from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse

from common import encryption


def new_hook_token() -> str:
    """The unguessable part of a webhook address: 192 random bits."""
    return secrets.token_urlsafe(24)


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def connected(self) -> ConnectionQuerySet:
        """Those whose account is connected now, healthy or not."""
        return self.filter(state__in=[Connection.State.ACTIVE, Connection.State.AUTH_FAILED])

    def usable(self) -> ConnectionQuerySet:
        """Those whose key Stripe accepts, as far as we know."""
        return self.filter(state=Connection.State.ACTIVE)


class Connection(models.Model):
    """One account of a source in one mode, for ever: disconnecting keeps the row, reconnecting raises `epoch`."""

    class State(models.TextChoices):
        SETUP = "setup", "Setup not finished"
        ACTIVE = "active", "Connected"
        AUTH_FAILED = "auth_failed", "Key refused"
        DISCONNECTED = "disconnected", "Disconnected"

    class Delivery(models.TextChoices):
        AUTO = "auto", "Webhook, or polling where there is no public address"
        WEBHOOK = "webhook", "Webhook"
        POLLING = "polling", "Polling"

    source = models.CharField(max_length=30, default="stripe")
    account = models.CharField(max_length=255, help_text="acct_… at Stripe")
    is_test = models.BooleanField(default=False)
    name = models.CharField(max_length=200, help_text="only a label")
    email = models.CharField(max_length=320, blank=True, default="")
    country = models.CharField(max_length=2, blank=True, default="")
    account_created_at = models.DateTimeField(null=True, blank=True, help_text="history starts here")
    state = models.CharField(max_length=12, choices=State.choices, default=State.SETUP)
    epoch = models.PositiveIntegerField(default=1, help_text="+1 on connect, key change and disconnect: a fence")

    api_key_sealed = models.BinaryField(null=True, blank=True)
    key_hint = models.CharField(max_length=40, blank=True, default="", help_text="rk_live_…x4Zt")
    key_fingerprint = models.CharField(max_length=64, blank=True, default="")
    missing_permissions = ArrayField(models.CharField(max_length=60), default=list, blank=True)

    delivery = models.CharField(max_length=8, choices=Delivery.choices, default=Delivery.AUTO, help_text="as wished")
    polls = models.BooleanField(default=False, help_text="events come by polling: the wish, or Stripe refused our URL")
    refused_address = models.CharField(
        max_length=300,
        blank=True,
        default="",
        help_text="of ours, as Stripe refused it: another one is tried by itself",
    )
    unproven_since = models.DateTimeField(
        null=True, blank=True, help_text="a webhook follows polling, and nothing has come by it yet"
    )
    hook_token = models.CharField(max_length=64, unique=True, default=new_hook_token)
    endpoint_id = models.CharField(max_length=255, blank=True, default="")
    endpoint_key = models.UUIDField(default=uuid.uuid4, help_text="idempotency key of the next endpoint we create")
    endpoint_events = ArrayField(models.CharField(max_length=80), default=list, blank=True, help_text="as last ensured")
    endpoint_error = models.CharField(max_length=500, blank=True, default="")
    webhook_secret_sealed = models.BinaryField(null=True, blank=True)
    previous_secret_sealed = models.BinaryField(null=True, blank=True)
    previous_secret_until = models.DateTimeField(null=True, blank=True)

    status_map = models.JSONField(
        default=dict, blank=True, help_text="status at the source -> recurring payment status, where the user differs"
    )

    error = models.CharField(max_length=500, blank=True, default="", help_text="what stops this connection, in words")
    connected_at = models.DateTimeField(null=True, blank=True)
    connected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("source", "account", "is_test", name="connection_once")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("connections:app")

    @property
    def is_connected(self) -> bool:
        return self.state in (self.State.ACTIVE, self.State.AUTH_FAILED)

    @property
    def asks_itself(self) -> bool:
        """Are new events asked for at short intervals: instead of a webhook, or until one is proven?"""
        return self.polls or self.unproven_since is not None

    @property
    def hook_path(self) -> str:
        return reverse("hooks-stripe", args=[self.hook_token])

    @property
    def hook_url(self) -> str:
        """Public address Stripe posts events to."""
        return f"{settings.SITE_URL}{self.hook_path}"

    def seal(self, field: str, text: str) -> None:
        """Store a secret in `<field>_sealed`, bound to this row and column. The row must have a primary key."""
        setattr(self, f"{field}_sealed", encryption.seal(text, owner=f"connection:{self.pk}:{field}"))

    def open(self, field: str) -> encryption.Secret | None:
        """The secret of `<field>_sealed`, decrypted now. SecretUnreadable if it does not open here."""
        sealed = getattr(self, f"{field}_sealed")
        return encryption.unseal(sealed, owner=f"connection:{self.pk}:{field}") if sealed else None


class ConnectionStatus(models.Model):
    """What changes often, apart from Connection, whose row is locked for sharing by every batch that is applied."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, primary_key=True, related_name="status")
    events_seen_until = models.DateTimeField(null=True, blank=True, help_text="newest Event.created read by the poll")
    next_poll_at = models.DateTimeField(db_default=Now())
    polled_at = models.DateTimeField(null=True, blank=True)
    poll_moved_at = models.DateTimeField(db_default=Now(), help_text="when a poll last brought us forward")
    poll_error = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="why the last did not, in words"
    )
    poll_seconds = models.PositiveIntegerField(default=15)
    next_check_at = models.DateTimeField(db_default=Now(), help_text="of the webhook endpoint")
    checked_at = models.DateTimeField(null=True, blank=True)
    unchecked_since = models.DateTimeField(null=True, blank=True, help_text="asked of the endpoint in vain since")
    throttled_until = models.DateTimeField(null=True, blank=True, help_text="Stripe asked us to wait")
    calls = models.PositiveBigIntegerField(default=0, help_text="requests made to Stripe")
    missed_webhooks = models.PositiveIntegerField(default=0, help_text="events first seen by the poll, over 2 min late")
    gap_since = models.DateTimeField(
        null=True, blank=True, help_text="Stripe lists no events from then on any more: every object is to be compared"
    )
    next_reconcile_at = models.DateTimeField(
        db_default=Now() + timedelta(days=1), help_text="of the nightly comparison of objects"
    )
    reconciled_at = models.DateTimeField(null=True, blank=True)
    mended_at = models.DateTimeField(null=True, blank=True, help_text="when the endpoint was found out of step")
    mended = models.CharField(max_length=200, blank=True, default="", help_text="what was wrong with it, in words")
    clock_ahead = models.IntegerField(
        db_default=0, help_text="seconds the database's clock was ahead of Stripe's at the last poll; negative: behind"
    )
    bodies_cleared_until = models.DateTimeField(null=True, blank=True, help_text="a cursor of retention")

    class Meta:
        verbose_name_plural = "connection statuses"

    def __str__(self) -> str:
        return f"Status of {self.connection_id}"


class RateBucket(models.Model):
    """Requests a connection may still make now, in all or on one kind of list. Shared by every worker."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="buckets")
    scope = models.CharField(max_length=60)
    tokens = models.FloatField()
    refilled_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint("connection", "scope", name="bucket_once")]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.scope}: {self.tokens:.1f}"


class ResourceQuerySet(models.QuerySet["Resource"]):
    def active(self) -> ResourceQuerySet:
        return self.filter(removed_at__isnull=True)


class Resource(models.Model):
    """A kind of Stripe object that is synced. Removing keeps the row; adding again reuses it."""

    class Kind(models.TextChoices):
        CHARGE = "charge", "Charge"
        CUSTOMER = "customer", "Customer"
        SUBSCRIPTION = "subscription", "Subscription"
        INVOICE = "invoice", "Invoice"
        CHECKOUT_SESSION = "checkout_session", "Checkout Session"

    class Sync(models.TextChoices):
        HISTORY_AND_NEW = "history_and_new", "Historical records and new records"
        NEW_ONLY = "new_only", "New records only"

    class Data(models.TextChoices):
        ALL = "all", "Customer data, orders and subscriptions"
        CUSTOMER_ONLY = "customer_only", "Customer data only"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="resources")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    sync = models.CharField(max_length=16, choices=Sync.choices)
    data = models.CharField(max_length=14, choices=Data.choices, default=Data.ALL)
    events = ArrayField(models.CharField(max_length=80), default=list, blank=True, help_text="switched-on event types")
    events_since = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="type switched on later -> Stripe's clock then, in seconds"
    )
    mapping = models.ForeignKey("FieldMapping", on_delete=models.PROTECT, null=True, related_name="+")
    since = models.DateTimeField(help_text="Stripe's clock at Finish: older events are from before it was connected")
    removed_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True, default="", help_text="e.g. a permission the key lacks")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ResourceQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("connection", "kind", name="resource_once_a_connection")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.get_kind_display()

    def wants_from(self, type_: str) -> datetime:
        """Events of this type that happened before are from before it was connected, or the event switched on."""
        later = self.events_since.get(type_)
        return max(self.since, datetime.fromtimestamp(later, UTC)) if later else self.since

    @property
    def current_run(self) -> Any:
        """The newest historical sync of this resource, or None."""
        return self.runs.imports().order_by("-pk").first()


class FieldMapping(models.Model):
    """One numbered, unchangeable version of a resource's mapping rows.

    `rows`: [{"from": ["customer.email", …tried in order], "to": "email" | "name" | "field:<key>",
    "write": "always" | "if_empty"}].
    """

    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="mappings")
    number = models.PositiveIntegerField()
    rows = models.JSONField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("resource", "number", name="mapping_number_once")]

    def __str__(self) -> str:
        return f"Mapping {self.number}"


class SetupDraft(models.Model):
    """A wizard not yet finished: anybody who may map can go on with it, today or next week.

    `resource` is set when an existing resource is edited. `samples`: the newest real objects, fetched once.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="drafts")
    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, null=True, blank=True, related_name="drafts")
    kind = models.CharField(max_length=20, choices=Resource.Kind.choices, blank=True, default="")
    sync = models.CharField(max_length=16, choices=Resource.Sync.choices, blank=True, default="")
    data = models.CharField(max_length=14, choices=Resource.Data.choices, default=Resource.Data.ALL)
    events = ArrayField(models.CharField(max_length=80), null=True, blank=True, help_text="null: the default ones")
    rows = models.JSONField(null=True, blank=True, help_text="as FieldMapping.rows; null: not yet begun")
    samples = models.JSONField(null=True, blank=True, help_text="[{object, held: {type:id -> object}}]")
    samples_kind = models.CharField(max_length=20, blank=True, default="")
    finished_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    updated_at = models.DateTimeField(auto_now=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "connection",
                condition=models.Q(finished_at__isnull=True, resource__isnull=True),
                name="one_open_draft_a_connection",
            )
        ]

    def __str__(self) -> str:
        return f"Draft {self.pk}"
