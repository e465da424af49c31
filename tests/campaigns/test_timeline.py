"""Mails on the timeline of a contact, in plain words, each thing once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from campaigns import sending, tallying
from campaigns.happenings import record
from campaigns.models import Mail, MailEvent
from contacts import merging
from contacts.models import Activity, Contact
from tests.campaigns.conftest import MakeCampaign, MakeContact
from tests.campaigns.smtp import GO_ON, MailServer

pytestmark = pytest.mark.django_db(transaction=True)
Kind = MailEvent.Kind


@pytest.fixture
def mail(mail_server: MailServer, make_contact: MakeContact, make_campaign: MakeCampaign) -> Mail:
    return sending.queue(make_campaign(), make_contact().pk, key="run:1")


def told(contact: Contact) -> list[str]:
    return list(Activity.objects.filter(contact=contact).order_by("pk").values_list("summary", flat=True))


def test_what_became_of_a_mail_is_told_once_in_plain_words(mail: Mail, staff_client: Client) -> None:
    assert told(mail.contact) == []
    sending.drain()
    for _ in range(2):
        record(mail, Kind.OPENED)
        record(mail, Kind.CLICKED, url="https://example.com/")
        record(mail, Kind.UNSUBSCRIBED)
    record(mail, Kind.DELIVERED, key="d1")
    record(mail, Kind.BOUNCED, key="b1")
    record(mail, Kind.BOUNCED, key="b2")
    assert told(mail.contact) == [
        "Mail sent: Hello Ana",
        "Mail opened: Hello Ana",
        "Link followed in mail: Hello Ana",
        "Unsubscribed by mail: Hello Ana",
        "Mail came back: Hello Ana",
    ]
    assert not Activity.objects.filter(dispatched_at=None).exists()
    page = staff_client.get(f"{mail.contact.get_absolute_url()}?kind=mail").content.decode()
    assert "Mail opened: Hello Ana" in page and "Reminder" in page


def test_a_line_about_a_mail_leads_to_it_as_long_as_it_is_kept(mail: Mail, staff_client: Client) -> None:
    sending.drain()
    record(mail, Kind.OPENED)
    url = reverse("campaigns:mail", args=[mail.pk])
    page = f"{mail.contact.get_absolute_url()}activity/?kind=mail"
    shown = staff_client.get(page).content.decode()
    assert f'<a href="{url}"><bdi>Mail sent: Hello Ana' in shown and f'<a href="{url}"><bdi>Mail opened' in shown
    mail.delete()
    shown = staff_client.get(page).content.decode()
    assert "<bdi>Mail sent: Hello Ana" in shown and url not in shown


def test_a_mail_that_did_not_leave_is_none(
    mail: Mail, mail_server: MailServer, make_contact: MakeContact, make_campaign: MakeCampaign
) -> None:
    mail_server.fault = lambda at, argument: "550 no" if at == "rcpt" else GO_ON
    tess = make_contact("tess@example.com", is_test=True)
    sending.queue(make_campaign(), tess.pk, key="t")
    sending.drain()
    assert told(mail.contact) == told(tess) == []


def test_what_cannot_be_told_now_is_told_later_and_the_mail_was_sent_all_the_same(
    mail: Mail, mail_server: MailServer, make_contact: MakeContact, make_campaign: MakeCampaign
) -> None:
    """A037: a merge lasts longer than a worker waits for it; neither this mail nor the next one is lost by that."""
    other = sending.queue(make_campaign(), make_contact("bob@example.com", "Bob").pk, key="run:2")
    begun, over = threading.Event(), threading.Event()

    def merge() -> None:
        try:
            with transaction.atomic():
                merging._lock("pg_advisory_xact_lock")
                begun.set()
                assert over.wait(20)
        finally:
            connection.close()

    merger = threading.Thread(target=merge)
    merger.start()
    assert begun.wait(20)
    with connection.cursor() as cursor:
        cursor.execute("set lock_timeout = '200ms'")
    try:
        assert sending.drain() == 2
    finally:
        over.set()
        merger.join()
        connection.close()
    assert len(mail_server.received) == 2
    assert set(Mail.objects.values_list("outcome", flat=True)) == {"sent"}
    assert told(mail.contact) == told(other.contact) == []
    tallying.drain()
    assert told(mail.contact) == ["Mail sent: Hello Ana"] and told(other.contact) == ["Mail sent: Hello Bob"]
    mail.refresh_from_db()
    assert Activity.objects.get(contact=mail.contact).occurred_at == mail.sent_at


def test_a_mail_that_was_taken_is_sent_however_long_its_row_is_held(mail: Mail, mail_server: MailServer) -> None:
    """A merge of its very contact moves the row, for longer than one statement waits."""
    begun = threading.Event()

    def move() -> None:
        try:
            with transaction.atomic():
                Mail.objects.select_for_update().get(pk=mail.pk)
                begun.set()
                threading.Event().wait(1.0)
        finally:
            connection.close()

    mover = threading.Thread(target=move)

    def taken(at: str, argument: str) -> str:
        if at == "taken":
            mover.start()
            assert begun.wait(20)
        return GO_ON

    mail_server.fault = taken
    with connection.cursor() as cursor:
        cursor.execute("set lock_timeout = '200ms'")
    try:
        sending.drain()
    finally:
        mover.join()
        connection.close()
    mail.refresh_from_db()
    assert (mail.outcome, mail.state, len(mail_server.received)) == ("sent", "done", 1)


def test_it_is_told_of_the_contact_that_was_kept(mail: Mail, make_contact: MakeContact, marketer: Any) -> None:
    (claimed,) = Mail.objects.claim(1)
    kept = make_contact("other@example.com")
    merging.merge(kept.pk, mail.contact_id, marketer)
    sending._send([claimed])
    record(mail, Kind.OPENED)
    assert [one for one in told(kept) if "Mail" in one] == ["Mail sent: Hello Ana", "Mail opened: Hello Ana"]
    assert told(mail.contact) == []
