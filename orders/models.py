"""Orders: what a contact bought, from whatever source. One purchase is one order, however many facts tell of it."""

from __future__ import annotations

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Coalesce, Now, Upper
from django.urls import reverse

from contacts.models import Contact


class Status(models.TextChoices):
    """The seven words every source's purchases are brought to. Public: exports name them."""

    PENDING = "pending", "Pending"
    PAID = "paid", "Paid"
    FAILED = "failed", "Failed"
    PARTIALLY_REFUNDED = "partially_refunded", "Partially refunded"
    REFUNDED = "refunded", "Refunded"
    DISPUTED = "disputed", "Disputed"
    CANCELLED = "cancelled", "Cancelled"


# Money has come in under these, even where some of it went back.
RECEIVED = (Status.PAID, Status.PARTIALLY_REFUNDED, Status.REFUNDED, Status.DISPUTED)


class OrderQuerySet(models.QuerySet["Order"]):
    def received(self) -> OrderQuerySet:
        """Orders that were paid, whatever happened to the money later."""
        return self.filter(status__in=RECEIVED)

    def with_parts(self) -> OrderQuerySet:
        """Each order with names, SKUs and quantity of its items and the keys of its references, in one query."""
        items = OrderItem.objects.filter(order=models.OuterRef("pk"))
        quantity = items.order_by().values("order").annotate(all=models.Sum("quantity")).values("all")
        references = OrderReference.objects.filter(order=models.OuterRef("pk")).order_by("reference")
        return self.annotate(
            item_names=ArraySubquery(items.exclude(name="").values("name")),
            item_skus=ArraySubquery(items.exclude(sku="").values("sku")),
            item_quantity=Coalesce(models.Subquery(quantity, output_field=models.BigIntegerField()), 0),
            reference_keys=ArraySubquery(references.values("reference")),
        )

    def newest(self) -> OrderQuerySet:
        return self.order_by("-placed_at", "-id")


class Order(models.Model):
    """One row per purchase. Amounts are in the currency's smallest unit.

    It carries its origin as values, so disconnecting keeps it and reconnecting meets it again. `contact` is empty until
    somebody is known for it.
    """

    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="orders", null=True, blank=True, db_index=False
    )
    source = models.CharField(max_length=30)
    account = models.CharField(max_length=255)
    is_test = models.BooleanField(default=False)
    external_id = models.CharField(max_length=255, help_text="the highest id of the purchase at the source")
    status = models.CharField(max_length=18, choices=Status.choices)
    currency = models.CharField(max_length=3, blank=True, default="")
    total = models.BigIntegerField(default=0)
    tax = models.BigIntegerField(default=0)
    discount = models.BigIntegerField(default=0)
    shipping = models.BigIntegerField(default=0)
    refunded = models.BigIntegerField(default=0)
    email = models.CharField(max_length=320, blank=True, default="", help_text="the buyer's, as told with the purchase")
    number = models.CharField(max_length=255, blank=True, default="")
    description = models.CharField(max_length=500, blank=True, default="")
    url = models.TextField(blank=True, default="", help_text="invoice or receipt, as the buyer sees it")
    placed_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_synced_at = models.DateTimeField(db_default=Now())

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("source", "account", "is_test", "external_id", name="order_once")]
        # The indexes of contact, source, account, currency and an item's order are longer ones that begin with them.
        # Where a filter leaves few rows they are sorted; where it leaves many, the newest are read until 50 fit.
        indexes = [
            models.Index(fields=["contact", "-placed_at", "-id"], name="order_of_contact"),
            # Whom segments find by what was paid in all is summed from this alone, in order of contact.
            models.Index(fields=["contact"], include=["currency", "status", "total", "refunded"], name="order_sums"),
            models.Index(fields=["-placed_at", "-id"], name="order_newest"),
            models.Index(fields=["status", "-placed_at", "-id"], name="order_by_status"),
            models.Index(fields=["currency", "total", "id"], name="order_by_total"),
            # Found by somebody who has it in hand; many sources give none.
            models.Index(Upper("number"), name="order_number", condition=~models.Q(number="")),
            # Few among many: without it a list of test orders would read all live ones.
            models.Index(fields=["-placed_at", "-id"], name="order_test", condition=models.Q(is_test=True)),
        ]

    def __str__(self) -> str:
        return self.number or self.description or self.external_id

    def get_absolute_url(self) -> str:
        return reverse("orders:detail", args=[self.pk])

    @property
    def kept(self) -> int:
        """What is left of the total after refunds, in the smallest unit."""
        return self.total - self.refunded


class OrderItem(models.Model):
    """A line of an order, in the source's order of lines."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="items", db_index=False)
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=500, blank=True, default="")
    sku = models.CharField(max_length=255, blank=True, default="")
    quantity = models.PositiveBigIntegerField(default=1)
    amount = models.BigIntegerField(default=0, help_text="of the whole line, in the currency's smallest unit")

    class Meta:
        constraints = [models.UniqueConstraint("order", "position", name="order_item_once")]
        indexes = [GinIndex(OpClass(Upper("name"), "gin_trgm_ops"), name="order_item_words")]
        ordering = ["order", "position"]

    def __str__(self) -> str:
        return self.name


class OrderReference(models.Model):
    """Ties an object of the source to the order it tells of: "payment_intent:pi_1"."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="references")
    source = models.CharField(max_length=30)
    account = models.CharField(max_length=255)
    is_test = models.BooleanField(default=False)
    reference = models.CharField(max_length=300)

    class Meta:
        constraints = [
            models.UniqueConstraint("source", "account", "is_test", "reference", name="order_reference_once")
        ]

    def __str__(self) -> str:
        return self.reference
