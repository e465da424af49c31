"""Which contacts the customers and addresses of an account's objects belong to."""

from __future__ import annotations

from django.db.models.functions import Coalesce

from connections.models import Connection
from contacts.email import email_key
from contacts.merging import hold_merges
from contacts.models import Contact, Identity


def people(connection: Connection, known: list[tuple[str, str]]) -> dict[str, int]:
    """Contact ids by customer id and by address key. No merge comes between until the transaction ends."""
    hold_merges()
    customers = {customer for customer, _ in known if customer}
    addresses = {key for _, address in known if (key := address_key(address))}
    mine = Identity.objects.filter(
        source=connection.source, account=connection.account, is_test=connection.is_test, external_id__one_of=customers
    )
    people = Contact.objects.filter(is_test=connection.is_test, email_key__one_of=addresses)
    return dict(people.values_list("email_key", Coalesce("merged_into", "pk"))) | dict(
        mine.values_list("external_id", "contact_id")
    )


def address_key(address: str) -> str:
    try:
        return email_key(address) if address else ""
    except ValueError:
        return ""
