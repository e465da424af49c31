"""The contacts a batch of records concerns, held in memory and written back in one go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.utils import timezone

from common import rows
from contacts.email import email_key
from contacts.merging import hold_merges
from contacts.models import Contact, Identity

if TYPE_CHECKING:
    from contacts.records import ContactRecord

_WRITTEN = [
    "email",
    "email_key",
    "first_name",
    "last_name",
    "phone",
    "custom",
    "facts",
    "source_deleted_at",
    "updated_at",
]
_IdentityKey = tuple[str, str, bool, str]


class People:
    """Contacts and identities by every key a record may name them with. Locks what it holds, in order of id."""

    def __init__(self, contacts: Iterable[Contact], identities: Iterable[Identity]) -> None:
        self._contacts = {contact.pk: contact for contact in contacts}
        self._by_email = {(c.email_key, c.is_test): self._heir(c) for c in self._contacts.values() if c.email_key}
        self._freed: set[tuple[str, bool]] = set()
        self._left: dict[tuple[str, bool], Contact] = {}
        self._identities: dict[_IdentityKey, Identity] = {}
        for identity in identities:
            identity.contact = self._contacts[identity.contact_id]
            self._identities[identity.source, identity.account, identity.is_test, identity.external_id] = identity
        self._new: list[Contact] = []
        self._touched: dict[int, Contact] = {}
        self._new_identities: list[Identity] = []
        self._changed_identities: dict[int, Identity] = {}

    @classmethod
    def holding(cls, records: list[ContactRecord]) -> People:
        """Everybody the records could mean. Runs inside the caller's transaction; no merge comes between."""
        hold_merges()
        keys = {email_key(record.email.value) for record in records if record.email}
        external_ids = {record.external_id for record in records if record.external_id}
        accounts = {record.account for record in records}
        identities = rows.read(
            Identity.objects.filter(account__in=accounts, external_id__one_of=external_ids).order_by("pk")
        )
        addressed = Contact.objects.filter(email_key__one_of=keys)
        known = addressed.values_list("pk", flat=True).union(
            addressed.exclude(merged_into=None).values_list("merged_into", flat=True),
            Contact.objects.filter(pk__one_of={identity.contact_id for identity in identities}).values_list(
                "pk", flat=True
            ),
        )
        # Sorted, so that two workers with the same people wait for each other instead of locking crosswise.
        contacts = rows.read(Contact.objects.filter(pk__in=known).order_by("pk").select_for_update(no_key=True))
        held = {contact.pk for contact in contacts}
        return cls(contacts, [identity for identity in identities if identity.contact_id in held])

    def find(self, record: ContactRecord) -> Contact | None:
        identity = self._identities.get(self._key(record)) if record.external_id else None
        if identity:
            return identity.contact
        return self.owner(email_key(record.email.value), is_test=record.is_test) if record.email else None

    def owner(self, key: str, *, is_test: bool) -> Contact | None:
        """The contact that has an address as its own, or took it over from one that was merged into it."""
        return self._by_email.get((key, is_test))

    def new(self, record: ContactRecord) -> Contact:
        contact = rows.made(Contact, is_test=record.is_test)
        self._new.append(contact)
        return contact

    def link(self, contact: Contact, record: ContactRecord) -> None:
        """Remember which customer of the source this contact is."""
        if not record.external_id:
            return
        identity = self._identities.get(self._key(record))
        if identity is None:
            identity = Identity(
                contact=contact,
                source=record.source,
                account=record.account,
                is_test=record.is_test,
                external_id=record.external_id,
            )
            self._identities[self._key(record)] = identity
            self._new_identities.append(identity)
        if record.deleted_at and not identity.deleted_at:
            identity.deleted_at = record.deleted_at
            self._changed(identity)

    def keep_apart(self, record: ContactRecord, address: str) -> None:
        """Note at the identity an address that another contact owns."""
        identity = self._identities.get(self._key(record)) if record.external_id else None
        if identity and identity.email != address:
            identity.email = address
            self._changed(identity)

    def readdress(self, contact: Contact) -> None:
        """Bring the key in step with the contact's address."""
        if contact.email_key:
            left = contact.email_key, contact.is_test
            self._by_email.pop(left, None)
            if contact.pk:
                self._left.setdefault(left, contact)
        contact.email_key = email_key(contact.email) if contact.email else None
        if contact.email_key:
            key = contact.email_key, contact.is_test
            if self._by_email.get(key) is contact:
                self._freed.add(key)
            self._by_email[key] = contact

    def touch(self, contact: Contact) -> None:
        """Have the contact written."""
        if contact.pk:
            self._touched[contact.pk] = contact

    def note_change(self, contact: Contact) -> None:
        """Have it written that something a reader sees is different from now on."""
        contact.updated_at = timezone.now()
        self.touch(contact)

    def save(self) -> None:
        """Write everything; new contacts have their primary key afterwards."""
        self._let_go()
        rows.insert(sorted(self._new, key=lambda contact: contact.email_key or ""))
        for key, is_test in sorted(self._freed):
            # The address of a contact merged into this one became this one's own.
            Contact.objects.filter(email_key=key, is_test=is_test).exclude(merged_into=None).update(email_key=None)
        touched = [self._touched[pk] for pk in sorted(self._touched)]
        rows.update(touched, _WRITTEN)
        for identity in self._new_identities:
            identity.contact_id = identity.contact.pk
        rows.insert(sorted(self._new_identities, key=lambda identity: identity.external_id))
        changed = [self._changed_identities[pk] for pk in sorted(self._changed_identities)]
        rows.update(changed, ["email", "deleted_at"])

    def _let_go(self) -> None:
        """Give up the addresses that others of the batch took over: an address is one contact's at every moment."""
        taken = [contact.pk for key, contact in self._left.items() if self._by_email.get(key, contact) is not contact]
        if taken:
            Contact.objects.filter(pk__in=taken).update(email_key=None)

    def _heir(self, contact: Contact) -> Contact:
        return self._contacts.get(contact.merged_into_id, contact) if contact.merged_into_id else contact

    def _changed(self, identity: Identity) -> None:
        if identity.pk:
            self._changed_identities[identity.pk] = identity

    @staticmethod
    def _key(record: ContactRecord) -> _IdentityKey:
        return record.source, record.account, record.is_test, record.external_id or ""
