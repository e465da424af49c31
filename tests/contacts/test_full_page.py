"""The page of a contact of whom everything there is is known, seen by each role."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campaigns.models import Campaign, Suppression
from contacts import editing, merging
from contacts.models import Contact, ContactList, CustomField, Kind
from orders.field_order import ORDER as ORDER_FIELDS
from tests.automations.conftest import (  # noqa: F401  (fixture)
    Make,
    automation,
    happened,
    on,
    settled,
    step,
    tagged,
    worked,
)
from tests.campaigns.conftest import MakeCampaign, make_campaign  # noqa: F401  (fixture)
from tests.contacts.conftest import record, sync
from tests.orders.conftest import bought, order_record
from tests.recurring_payments.rows import payment
from users.models import User

AT_MOST = 12


@pytest.fixture
def known(ana: Contact, admin: User, marketer: User, automation: Make, make_campaign: MakeCampaign) -> Contact:  # noqa: F811
    """One of everything: customer, custom field, edit by hand, list, silence, run, mail, merge, both billings."""
    CustomField.objects.create(key="seats", label="Seats", type="number")
    ContactList.objects.create(name="Readers").contacts.add(ana)
    Suppression.objects.create(email_key=ana.email_key, reason="unsubscribed", by=marketer)
    automation(on("started"), [step("add_tag", tag="by hand")])
    automation(on("tag_added", tag="start"), [step("add_tag", tag="done")], name="Welcome")
    make_campaign()
    sync(record(900, customer="cus_gone", email="gone@example.com", first_name="Anna"))
    merging.merge(ana.pk, Contact.objects.get(email="gone@example.com").pk, admin)
    ana.refresh_from_db()
    grow(ana, 1, 1)
    ana.refresh_from_db()
    editing.save(ana.pk, ana.version, {"phone": "+34 1", "field:seats": 12}, marketer)
    return ana


def grow(ana: Contact, payments: int, orders: int) -> None:
    """Up to so many of each, every payment with an event, a mail and a run of an automation."""
    reminder = Campaign.objects.get()
    for number in range(ana.recurring_payments.count(), payments):
        payment(ana, number)
        sync(record(number, at=number, first_name=f"Ana {number}"))
        mail = reminder.mails.create(contact=ana, key=f"mail {number}", subject="Hello", outcome="sent")
        happened(ana, Kind.MAIL_SENT, mail=mail.pk, campaign="Reminder")
        tagged(ana, "start")
    settled()
    worked()
    bought(*(order_record(number, contact=ana.pk, at=number) for number in range(ana.orders.count(), orders)))


def queries(client: Client, contact: Contact) -> tuple[int, str]:
    with CaptureQueriesContext(connection) as asked:
        response = client.get(contact.get_absolute_url())
    assert response.status_code == 200
    return len(asked), re.sub(r"\s+", " ", response.content.decode())


def test_a_full_page_takes_at_most_twelve_queries_whoever_looks_and_however_much_there_is(
    known: Contact, staff_client: Client, marketer_client: Client, admin_client: Client
) -> None:
    """Of the request, the session and the user among them; also with the fields of orders that need most."""
    clients = {"staff": staff_client, "marketer": marketer_client, "admin": admin_client}
    few = {role: queries(client, known)[0] for role, client in clients.items()}
    grow(known, 50, 500)
    ORDER_FIELDS.put(["item_names", "charge"])
    many = {role: queries(client, known) for role, client in clients.items()}
    assert few == {role: number for role, (number, _) in many.items()}
    assert max(few.values()) <= AT_MOST
    shows_all(many["admin"][1])


def shows_all(page: str) -> None:
    for shown in ("Merged with Anna", "cus_gone", "Welcome", "Start automation", "From Mia Marketer"):
        assert shown in page, shown
    assert "Unsubscribed by Mia Marketer" in page
    assert page.count('<div class="payment-head">') == 50
    folded = page[page.index('<details class="more payments-more">') :].partition("</details>")[0]
    assert folded.count('<div class="payment-head">') == 45 and "Show 45 more" in folded
    orders = page[page.index('id="orders-heading"') :].partition("</section>")[0]
    assert orders.count("<li>") == 5 and "All 500 orders" in orders
    timeline = page[page.index('<ol class="timeline">') :].partition("</ol>")[0]
    assert 1 <= timeline.count("<li") <= 50
    assert len(page) < 500_000
