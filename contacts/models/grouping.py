from __future__ import annotations

from django.db import models

from contacts.models.contact import Contact


class Tag(models.Model):
    name = models.CharField(max_length=150, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    contacts: models.ManyToManyField[Contact, ContactTag] = models.ManyToManyField(
        Contact, through="ContactTag", related_name="tags"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ContactTag(models.Model):
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, db_index=False)
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, db_index=False)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("contact", "tag", name="contact_tag_once")]
        indexes = [models.Index(fields=["tag", "contact"], name="contact_tag_by_tag")]

    def __str__(self) -> str:
        return f"{self.contact_id} {self.tag_id}"


class ContactList(models.Model):
    """A list that people join. Integrations never add anyone."""

    name = models.CharField(max_length=150, unique=True)
    description = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    contacts: models.ManyToManyField[Contact, ListMembership] = models.ManyToManyField(
        Contact, through="ListMembership", related_name="lists"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ListMembership(models.Model):
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE)
    list = models.ForeignKey(ContactList, on_delete=models.CASCADE)
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("contact", "list", name="list_membership_once")]

    def __str__(self) -> str:
        return f"{self.contact_id} {self.list_id}"
