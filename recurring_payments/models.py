"""Recurring payments: what a contact pays again and again, from whatever source."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Now, Upper
from django.urls import reverse

from contacts.models import Contact

_WORDS: dict[str, Any] = {"max_length": 255, "blank": True, "default": ""}


class Status(models.TextChoices):
    """The six words every source's status is brought to."""

    ACTIVE = "ACTIVE", "Active"
    PENDING = "PENDING", "Pending"
    PAYMENT_FAILED = "PAYMENT_FAILED", "Payment failed"
    PAUSED = "PAUSED", "Paused"
    CANCELLED = "CANCELLED", "Cancelled"
    EXPIRED = "EXPIRED", "Expired"


class PaymentStatus(models.TextChoices):
    COMPLETED = "COMPLETED", "Paid"
    DECLINED = "DECLINED", "Declined"
    PENDING = "PENDING", "Pending"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED", "Partially refunded"
    REFUNDED = "REFUNDED", "Refunded"


class Interval(models.TextChoices):
    DAILY = "DAILY", "day"
    WEEKLY = "WEEKLY", "week"
    MONTHLY = "MONTHLY", "month"
    YEARLY = "YEARLY", "year"


class Address(models.Model):
    """The twelve fields of each of the two addresses."""

    shipping_first_name = models.CharField(**_WORDS)
    shipping_last_name = models.CharField(**_WORDS)
    shipping_line1 = models.CharField(**_WORDS)
    shipping_line2 = models.CharField(**_WORDS)
    shipping_line3 = models.CharField(**_WORDS)
    shipping_city = models.CharField(**_WORDS)
    shipping_province = models.CharField(**_WORDS)
    shipping_country = models.CharField(**_WORDS)
    shipping_postal_code = models.CharField(**_WORDS)
    shipping_phone = models.CharField(**_WORDS)
    shipping_company = models.CharField(**_WORDS)
    shipping_email = models.CharField(**_WORDS)
    billing_first_name = models.CharField(**_WORDS)
    billing_last_name = models.CharField(**_WORDS)
    billing_line1 = models.CharField(**_WORDS)
    billing_line2 = models.CharField(**_WORDS)
    billing_line3 = models.CharField(**_WORDS)
    billing_city = models.CharField(**_WORDS)
    billing_province = models.CharField(**_WORDS)
    billing_country = models.CharField(**_WORDS)
    billing_postal_code = models.CharField(**_WORDS)
    billing_phone = models.CharField(**_WORDS)
    billing_company = models.CharField(**_WORDS)
    billing_email = models.CharField(**_WORDS)

    class Meta:
        abstract = True


class RecurringPayment(Address):
    """One row per (source, account, id at the source). Amounts are in the currency's smallest unit.

    It carries its origin as values, so disconnecting keeps it and reconnecting meets it again. `contact` is empty until
    the address is known.
    """

    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="recurring_payments", null=True, blank=True, db_index=False
    )
    source = models.CharField(max_length=30)
    account = models.CharField(max_length=255)
    is_test = models.BooleanField(default=False)
    legacy_connection_id = models.BigIntegerField(null=True, blank=True)
    store_recurring_payment_id = models.CharField(max_length=255)

    name = models.CharField(max_length=500, blank=True, default="")
    email = models.CharField(max_length=320, blank=True, default="")
    normalized_status = models.CharField(max_length=14, choices=Status.choices)
    store_status = models.CharField(max_length=60, blank=True, default="")
    store_customer_id = models.CharField(**_WORDS)
    billing_interval = models.CharField(max_length=7, choices=Interval.choices, blank=True, default="")
    billing_interval_count = models.PositiveIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, default="")
    payment_amount = models.BigIntegerField(null=True, blank=True)
    discount_amount = models.BigIntegerField(null=True, blank=True)
    tax_amount = models.BigIntegerField(null=True, blank=True)
    shipping_amount = models.BigIntegerField(null=True, blank=True)
    last_payment_status = models.CharField(max_length=18, choices=PaymentStatus.choices, blank=True, default="")
    last_payment_date = models.DateTimeField(null=True, blank=True)
    start_date = models.DateTimeField(null=True, blank=True)
    renewal_date = models.DateTimeField(null=True, blank=True)
    next_payment_date = models.DateTimeField(null=True, blank=True)
    anchor_date = models.DateTimeField(null=True, blank=True)
    cancelled_date = models.DateTimeField(null=True, blank=True)
    payment_method_expiration = models.DateField(null=True, blank=True)
    origin_order_id = models.CharField(**_WORDS)
    store_created_date = models.DateTimeField(null=True, blank=True)
    store_modified_date = models.DateTimeField(null=True, blank=True)
    is_trial = models.BooleanField(default=False)
    cancel_at_period_end = models.BooleanField(default=False)
    total_cycles = models.PositiveIntegerField(default=0, help_text="0: no end")
    notes = ArrayField(models.TextField(), default=list, blank=True)
    store_external_id = models.CharField(max_length=500, blank=True, default="")
    line_item_categories = ArrayField(models.TextField(), default=list, blank=True)
    line_item_names = ArrayField(models.TextField(), default=list, blank=True)
    line_item_skus = ArrayField(models.TextField(), default=list, blank=True)
    line_item_brands = ArrayField(models.TextField(), default=list, blank=True)
    line_item_tags = ArrayField(models.TextField(), default=list, blank=True)
    line_item_store_primary_ids = ArrayField(models.TextField(), default=list, blank=True)

    # Beyond the list every source shares.
    trial_start_date = models.DateTimeField(null=True, blank=True)
    trial_end_date = models.DateTimeField(null=True, blank=True)
    current_period_start = models.DateTimeField(null=True, blank=True)
    current_period_end = models.DateTimeField(null=True, blank=True)
    ended_date = models.DateTimeField(null=True, blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True)
    cancellation_reason = models.CharField(**_WORDS)
    cancellation_feedback = models.CharField(**_WORDS)
    cancellation_comment = models.TextField(blank=True, default="")
    pause_resumes_at = models.DateTimeField(null=True, blank=True)
    collection_method = models.CharField(max_length=40, blank=True, default="")
    quantity = models.PositiveBigIntegerField(null=True, blank=True)
    price_id = models.CharField(**_WORDS)
    plan_name = models.CharField(**_WORDS)
    discount_code = models.CharField(**_WORDS)
    payment_method_brand = models.CharField(max_length=60, blank=True, default="")
    payment_method_last4 = models.CharField(max_length=10, blank=True, default="")
    latest_invoice_url = models.TextField(blank=True, default="")
    failed_payment_count = models.PositiveIntegerField(default=0)
    mrr_amount = models.BigIntegerField(null=True, blank=True, help_text="what it brings in a month, smallest unit")

    created_at = models.DateTimeField(auto_now_add=True)
    last_synced_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "source", "account", "is_test", "store_recurring_payment_id", name="recurring_payment_once"
            )
        ]
        # The index of contact is the longer one that begins with it.
        indexes = [
            models.Index(fields=["contact", "-start_date"], name="recurring_payment_of_contact"),
            # With the contact, so that segments find whom by status and date without reading the wide rows, and with
            # what else the list is filtered by, so that it is counted without them.
            models.Index(
                fields=[
                    "normalized_status",
                    "next_payment_date",
                    "id",
                    "store_status",
                    "is_trial",
                    "cancel_at_period_end",
                    "billing_interval",
                    "currency",
                ],
                include=["contact"],
                name="recurring_payment_status",
            ),
            models.Index(fields=["next_payment_date", "id"], name="recurring_payment_next"),
            models.Index(fields=["-start_date", "-id"], name="recurring_payment_newest"),
            models.Index(fields=["currency", "payment_amount", "id"], name="recurring_payment_amount"),
            # What ended has no next payment and daily ones come soon: looked for from the far end, all others would
            # be read before them.
            models.Index(
                models.F("next_payment_date").desc(nulls_last=True),
                models.F("id").desc(),
                models.F("normalized_status"),
                models.F("billing_interval"),
                name="recurring_payment_latest",
            ),
            models.Index(fields=["name", "id"], name="recurring_payment_name"),
            GinIndex(OpClass(Upper("name"), "gin_trgm_ops"), name="recurring_payment_name_words"),
        ]

    def __str__(self) -> str:
        return self.name or self.store_recurring_payment_id

    def get_absolute_url(self) -> str:
        return reverse("recurring_payments:detail", args=[self.pk])
