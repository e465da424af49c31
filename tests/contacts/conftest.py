"""Contacts as a source and a person would have made them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from common.origin import Origin
from contacts import records
from contacts.facts import Fact
from contacts.models import Contact
from contacts.records import ContactOutcome, ContactRecord

START = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


def record(
    number: int = 1,
    *,
    customer: str | None = "cus_1",
    email: str | None = "ana@example.com",
    at: int = 0,
    owns_email: bool = True,
    tags: tuple[str, ...] = ("stripe-integration", "stripe-integration-customer.updated"),
    is_test: bool = False,
    if_empty: bool = False,
    event_type: str = "customer.updated",
    silent: bool = False,
    deleted_at: datetime | None = None,
    **values: object,
) -> ContactRecord:
    """What one event about a Stripe customer says, `at` seconds after START."""
    as_of = START + timedelta(seconds=at)
    slot = f"stripe:customer:{customer}"
    object_id = customer or ""
    return ContactRecord(
        source="stripe",
        account="acct_1",
        is_test=is_test,
        external_id=customer,
        email=Fact("email", email, as_of, slot, object_id, log=number) if email else None,
        owns_email=owns_email,
        facts=tuple(
            Fact(name, value, as_of, slot, object_id, log=number, row=row, if_empty=if_empty)
            for row, (name, value) in enumerate(values.items(), start=2)
        ),
        tags=tags,
        occurred_at=as_of,
        origin=Origin.WEBHOOK,
        key=f"acct_1:evt_{number}",
        log=number,
        event_type=event_type,
        silent=silent,
        deleted_at=deleted_at,
    )


def sync(*synced: ContactRecord) -> list[ContactOutcome]:
    return records.apply(list(synced))


@pytest.fixture
def ana(db: None) -> Contact:
    """A contact that came from Stripe."""
    sync(record(1, first_name="Ana María", last_name="López García", phone="+34 600 100 200"))
    return Contact.objects.get()


def _person(number: str) -> ContactRecord:
    name = {"first_name": "Person", "last_name": f"N{number}"}
    return record(1000 + int(number), customer=f"cus_{number}", email=f"person{number}@example.com", **name)


MakeContacts = Callable[..., list[Contact]]


@pytest.fixture
def make_contacts(db: None) -> MakeContacts:
    """make_contacts(n): n contacts from Stripe with names, tags and identities."""

    def make(count: int, first: int = 0) -> list[Contact]:
        numbers = [f"{number:03}" for number in range(first, first + count)]
        made = sync(*(_person(number) for number in numbers))
        return [outcome.contact for outcome in made if outcome.contact]

    return make
