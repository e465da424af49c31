"""Contacts that get mail, campaigns to send them, and a mail server that takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from campaigns.models import Campaign
from contacts.email import email_key
from contacts.models import Contact
from recurring_payments.models import RecurringPayment
from tests.campaigns.smtp import MailServer, serve

MakeContact = Callable[..., Contact]
MakeCampaign = Callable[..., Campaign]


@pytest.fixture
def mail_server(settings: Any) -> Iterator[MailServer]:
    """Mail of this process goes there."""
    with serve() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_URL = f"smtp://127.0.0.1:{server.port}"
        yield server


@pytest.fixture
def make_contact(db: None) -> MakeContact:
    def make(email: str = "ana@example.com", first_name: str = "Ana", **values: Any) -> Contact:
        key = email_key(email) if email else None
        return Contact.objects.create(email=email, email_key=key, first_name=first_name, **values)

    return make


@pytest.fixture
def make_campaign(db: None) -> MakeCampaign:
    def make(**values: Any) -> Campaign:
        content = {
            "name": "Reminder",
            "subject": "Hello {{ contact.first_name }}",
            "html": "<p>Hello {{ contact.first_name }}, <a href='https://example.com/a?b=1&c=2'>read on</a></p>",
        }
        return Campaign.objects.create(**{**content, **values})

    return make


@pytest.fixture
def make_payment(db: None) -> Callable[..., RecurringPayment]:
    def make(contact: Contact, number: int = 1, **values: Any) -> RecurringPayment:
        about = {
            "source": "stripe",
            "account": "acct_1",
            "store_recurring_payment_id": f"sub_{contact.pk}_{number}",
            "normalized_status": "ACTIVE",
            "currency": "EUR",
            "payment_amount": 4900,
            "next_payment_date": datetime(2026, 12, number, 9, tzinfo=UTC),
        }
        return RecurringPayment.objects.create(contact=contact, **{**about, **values})

    return make
