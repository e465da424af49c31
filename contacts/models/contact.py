from __future__ import annotations

from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Func
from django.db.models.functions import Upper
from django.urls import reverse

# Columns a mapping or a person may write; everything else lives in `custom`.
STANDARD_FIELDS = ("email", "first_name", "last_name", "phone")


_SLOTS = Func(
    "facts",
    template="jsonb_path_query_array(%(expressions)s, '$.*.keyvalue().key')",
    output_field=models.JSONField(),
)


class ContactQuerySet(models.QuerySet["Contact"]):
    def present(self) -> ContactQuerySet:
        """Without those that were merged into others."""
        return self.filter(merged_into=None)

    def live(self) -> ContactQuerySet:
        return self.present().filter(is_test=False)

    def with_slots(self) -> models.QuerySet[Any]:
        """With `slots`: who told something of each contact, as `facts` names them, without what they told.

        A query within the query, as PostgreSQL then opens the large `facts` of the rows alone that are shown.
        """
        mine = Contact.objects.filter(pk=models.OuterRef("pk")).values(slots=_SLOTS)
        return self.annotate(slots=models.Subquery(mine))

    def search(self, text: str) -> ContactQuerySet:
        """Contacts whose name, address or phone contains every word of the text."""
        found = self
        for word in text.split():
            found = found.filter(
                models.Q(email__icontains=word)
                | models.Q(first_name__icontains=word)
                | models.Q(last_name__icontains=word)
                | models.Q(phone__icontains=word)
            )
        return found


class Contact(models.Model):
    """One person. Test-mode events make contacts of their own, so they never touch live ones."""

    email = models.CharField(max_length=320, blank=True, default="", help_text="as written at the source")
    # Null, not "": any number of contacts may have no address.
    email_key = models.CharField(  # noqa: DJ001
        max_length=320, null=True, blank=True, help_text="normalised; see contacts.email"
    )
    is_test = models.BooleanField(default=False)
    first_name = models.CharField(max_length=255, blank=True, default="")
    last_name = models.CharField(max_length=255, blank=True, default="")
    phone = models.CharField(max_length=100, blank=True, default="")
    custom = models.JSONField(default=dict, blank=True, help_text="custom field key -> value, typed as JSON")
    facts = models.JSONField(
        default=dict,
        blank=True,
        help_text="why each field has its value; see contacts.facts",
    )
    source_deleted_at = models.DateTimeField(null=True, blank=True, help_text="when the customer was deleted at Stripe")
    # The row stays and keeps its address, so that what comes for the address finds the other contact.
    merged_into = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="absorbed")
    merged_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1, help_text="+1 at every change by hand, so two editors notice")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ContactQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("email_key", "is_test", name="contact_email_once_a_mode")]
        indexes = [
            # Segments ask "custom @> {key: value}"; a field asked for by range gets its own index.
            GinIndex(fields=["custom"], name="contact_custom", opclasses=["jsonb_path_ops"]),
            GinIndex(OpClass(Upper("email"), "gin_trgm_ops"), name="contact_email_words"),
            GinIndex(OpClass(Upper("first_name"), "gin_trgm_ops"), name="contact_first_name_words"),
            GinIndex(OpClass(Upper("last_name"), "gin_trgm_ops"), name="contact_last_name_words"),
            GinIndex(OpClass(Upper("phone"), "gin_trgm_ops"), name="contact_phone_words"),
            models.Index(fields=["-created_at", "-id"], name="contact_newest"),
            models.Index(fields=["-updated_at", "-id"], name="contact_updated"),
            # Whoever counts or joins live contacts reads this alone, and not their wide rows.
            models.Index(fields=["id"], name="contact_live", condition=models.Q(is_test=False, merged_into=None)),
        ]

    def __str__(self) -> str:
        return self.name or self.email or f"Contact {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("contacts:detail", args=[self.pk])

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def value(self, field: str) -> Any:
        """Value of a standard field or of a custom one (`field:<key>`). Empty is "" or None."""
        if field.startswith("field:"):
            return self.custom.get(field.removeprefix("field:"))
        return getattr(self, field)

    def set_value(self, field: str, value: Any) -> None:
        """Set what `value` reads. Only contacts.facts decides what a field shows, so write through it."""
        if field.startswith("field:"):
            key = field.removeprefix("field:")
            if value is None:
                self.custom.pop(key, None)
            else:
                self.custom[key] = value
        else:
            setattr(self, field, "" if value is None else value)


class Identity(models.Model):
    """Who a contact is at a source: one Stripe customer, PayPal payer, store customer."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="identities")
    source = models.CharField(max_length=30)
    account = models.CharField(max_length=255)
    is_test = models.BooleanField(default=False)
    external_id = models.CharField(max_length=255)
    email = models.CharField(
        max_length=320, blank=True, default="", help_text="address at the source when another contact owns it"
    )
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint("source", "account", "is_test", "external_id", name="identity_once"),
        ]

    def __str__(self) -> str:
        return f"{self.source}:{self.external_id}"
