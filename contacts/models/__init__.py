"""People, what is known of them, and everything that happened to them."""

from contacts.models.activity import Activity, Kind
from contacts.models.contact import Contact, Identity
from contacts.models.custom_field import CustomField
from contacts.models.grouping import ContactList, ContactTag, ListMembership, Tag
from contacts.models.merge import ContactMerge

__all__ = [
    "Activity",
    "Contact",
    "ContactList",
    "ContactMerge",
    "ContactTag",
    "CustomField",
    "Identity",
    "Kind",
    "ListMembership",
    "Tag",
]
