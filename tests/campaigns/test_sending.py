"""The queue of mails: once for ever by key, nothing twice, and what every answer of a mail server means."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from campaigns import sending
from campaigns.delivery import Carrier, Unreachable
from campaigns.models import Mail, SentCopy, Suppression
from campaigns.suppressing import allow_again, suppress
from contacts.models import Contact
from tests.campaigns.conftest import MakeCampaign, MakeContact
from tests.campaigns.smtp import GO_ON, MailServer
from tests.waiting import eventually, somebody_waits_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queued(make_contact: MakeContact, make_campaign: MakeCampaign) -> Mail:
    return sending.queue(make_campaign(), make_contact().pk, key="run:1")


def outcome(mail: Mail) -> str:
    mail.refresh_from_db()
    return mail.outcome


def due_again(mail: Mail) -> None:
    Mail.objects.filter(pk=mail.pk).update(next_attempt_at=Now())


def test_a_key_is_one_mail(mail_server: MailServer, make_contact: MakeContact, make_campaign: MakeCampaign) -> None:
    """A037: asked for twice, sent once; a transaction that fails sends nothing."""
    campaign, contact = make_campaign(), make_contact()
    first = sending.queue(campaign, contact.pk, key="run:1")
    with pytest.raises(RuntimeError), transaction.atomic():
        sending.queue(campaign, contact.pk, key="run:2")
        raise RuntimeError
    assert sending.queue(campaign, contact.pk, key="run:1").pk == first.pk
    assert sending.drain() == 1
    assert sending.queue(campaign, contact.pk, key="run:1").outcome == "sent"
    assert sending.drain() == 0
    assert len(mail_server.received) == 1


def test_a_server_that_refuses_the_password_is_not_left_waiting(
    mail_server: MailServer, queued: Mail, settings: Any
) -> None:
    """Each try would otherwise leave a line open, and servers allow few."""
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "millrace", "wrong"
    mail_server.fault = lambda at, argument: "535 no such password" if at == "auth" else GO_ON
    with pytest.raises(Unreachable, match="no such password"):
        Carrier()
    eventually(lambda: mail_server.goodbyes == mail_server.connections == 1)
    sending.drain()
    assert outcome(queued) == "queued"
    mail_server.fault = lambda at, argument: GO_ON
    due_again(queued)
    sending.drain()
    assert outcome(queued) == "sent"


def test_a_mail_as_it_arrives(mail_server: MailServer, queued: Mail, settings: Any) -> None:
    """One recipient, both bodies, one-click unsubscribe, Message-ID by which it is known again; links by SITE_URL."""
    settings.SITE_URL = "https://crm.example.com"
    sending.drain()
    (received,) = mail_server.received
    message = received.message
    assert received.recipients == ["ana@example.com"]
    assert (message["To"], message["Subject"]) == ("Ana <ana@example.com>", "Hello Ana")
    assert message["Message-ID"].startswith(f"<{queued.delivery_id}@")
    assert message["List-Unsubscribe"].strip().startswith("<https://crm.example.com/mail/unsubscribe/")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    html = received.body("html")
    assert "Hello Ana" in html and "https://crm.example.com/mail/c/" in html and "/mail/o/" in html
    assert "read on (https://example.com/a?b=1&c=2)" in received.body("plain")
    assert "Unsubscribe: https://crm.example.com" in received.body("plain")


def test_tracking_can_be_switched_off(
    mail_server: MailServer, make_contact: MakeContact, make_campaign: MakeCampaign
) -> None:
    campaign = make_campaign(tracks_opens=False, tracks_clicks=False)
    sending.queue(campaign, make_contact().pk, key="k")
    sending.drain()
    html = mail_server.received[0].body("html")
    assert "/mail/c/" not in html and "/mail/o/" not in html and "https://example.com/a?b=1&amp;c=2" in html


def test_a_hostile_name_sends_a_sound_mail(
    mail_server: MailServer, make_contact: MakeContact, make_campaign: MakeCampaign
) -> None:
    """Rows 24, 79: no second header, no second recipient."""
    name = 'Eve"\r\nBcc: other@example.com <x@y.example>, \u0000\U0001f600'
    contact = make_contact(first_name=name.replace("\u0000", "\ufffd"), last_name="<script>")
    sending.queue(make_campaign(), contact.pk, key="k")
    sending.drain()
    (received,) = mail_server.received
    assert received.recipients == ["ana@example.com"]
    assert received.message["Bcc"] is None
    assert "<script" not in received.body("html")


@pytest.mark.parametrize(
    ("step", "answer", "expected"),
    [
        ("rcpt", "550 no such user", "failed"),
        ("rcpt", "451 try later", "queued"),
        ("mail", "451 try later", "queued"),
        ("data", "554 no", "failed"),
        ("taken", "552 too much", "failed"),
        ("taken", "451 try later", "queued"),
        ("taken", None, "unknown"),
        ("answer", None, "unknown"),
    ],
)
def test_what_a_mail_server_answers(
    mail_server: MailServer, queued: Mail, step: str, answer: str | None, expected: str
) -> None:
    """Row 73: refused is failed, later is tried again, and silence after the hand-over is unknown: never two mails."""
    mail_server.fault = lambda at, argument: answer if at == step else GO_ON
    sending.drain()
    assert outcome(queued) == expected
    assert (queued.handed_at is None) == (expected == "queued")
    mail_server.fault = lambda at, argument: GO_ON
    before = len(mail_server.received)
    due_again(queued)
    sending.drain()
    assert outcome(queued) == ("sent" if expected == "queued" else expected)
    assert len(mail_server.received) == before + (expected == "queued")
    assert len(mail_server.received) <= 1


def test_a_mail_server_that_is_away_is_waited_for(queued: Mail, mail_server: MailServer, settings: Any) -> None:
    """Nothing was handed over, so the queue's schedule tries again, and at last gives up."""
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    sending.drain()
    assert outcome(queued) == "queued" and queued.attempts == 1 and queued.handed_at is None
    assert "cannot be reached" in queued.last_error
    Mail.objects.filter(pk=queued.pk).update(attempts=10, next_attempt_at=Now())
    sending.drain()
    assert (outcome(queued), queued.state) == ("failed", "dead")
    settings.EMAIL_PORT = port
    again = sending.resend(queued)
    assert sending.resend(queued).pk == again.pk
    sending.drain()
    assert outcome(again) == "sent" and len(mail_server.received) == 1


def test_without_a_way_to_send_mails_wait(queued: Mail, settings: Any) -> None:
    settings.EMAIL_URL = ""
    assert sending.drain() == 0
    assert outcome(queued) == "queued"


def test_a_worker_that_died_after_the_hand_over_leaves_a_question(mail_server: MailServer, queued: Mail) -> None:
    """2.8: after `handed_at` it is unknown and stays so until a person resends it."""
    (claimed,) = Mail.objects.claim(5)
    Mail.objects.filter(pk=claimed.pk).update(handed_at=Now(), lease_until=Now() - timedelta(seconds=1))
    sending.drain()
    assert outcome(queued) == "unknown" and mail_server.received == []
    sending.resend(queued)
    sending.drain()
    assert len(mail_server.received) == 1
    assert outcome(queued) == "unknown"


def test_a_worker_that_died_before_it_costs_nothing(mail_server: MailServer, queued: Mail) -> None:
    Mail.objects.claim(5)
    Mail.objects.update(lease_until=Now() - timedelta(seconds=1))
    sending.drain()
    assert outcome(queued) == "sent" and len(mail_server.received) == 1


def test_a_worker_thought_lost_tells_how_it_ended(queued: Mail) -> None:
    (claimed,) = Mail.objects.claim(5)
    Mail.objects.filter(pk=claimed.pk).update(handed_at=Now(), lease_until=Now() - timedelta(seconds=1))
    sending.settle_lost()
    claimed.ended(Mail.Outcome.SENT, sent_at=Now())
    assert outcome(queued) == "sent"


def test_test_contacts_never_get_mail(
    mail_server: MailServer, make_contact: MakeContact, make_campaign: MakeCampaign
) -> None:
    """C022: made, kept to look at, and not sent."""
    mail = sending.queue(make_campaign(), make_contact(is_test=True).pk, key="k")
    live = sending.queue(make_campaign(), make_contact().pk, key="l", is_test=True)
    sending.drain()
    assert outcome(mail) == outcome(live) == "test" and mail_server.received == []
    copy = SentCopy.objects.get(mail=mail)
    assert not copy.was_sent and copy.subject == "Hello Ana" and "Hello Ana" in copy.html


def test_a_suppressed_address_gets_nothing(mail_server: MailServer, queued: Mail) -> None:
    suppress("ana@example.com", Suppression.Reason.UNSUBSCRIBED)
    sending.drain()
    assert outcome(queued) == "suppressed" and mail_server.received == []
    assert allow_again("ana@example.com")


def test_nobody_unsubscribes_between_the_question_and_the_hand_over(
    mail_server: MailServer, queued: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2.8: whoever holds the address decides: an unsubscribe that came first stops the mail, however close it was."""
    entered, go_on = threading.Event(), threading.Event()

    def unsubscribe() -> None:
        try:
            with transaction.atomic():
                suppress("ana@example.com", Suppression.Reason.UNSUBSCRIBED)
                entered.set()
                assert go_on.wait(20)
        finally:
            connection.close()

    def drain() -> None:
        try:
            sending.drain()
        finally:
            connection.close()

    leaving, worker = threading.Thread(target=unsubscribe), threading.Thread(target=drain)
    leaving.start()
    assert entered.wait(20)
    worker.start()
    eventually(somebody_waits_for_a_lock, what="the worker waits for the address")
    go_on.set()
    leaving.join()
    worker.join()
    assert outcome(queued) == "suppressed" and mail_server.received == []


def test_two_workers_share_the_queue(
    mail_server: MailServer, make_contact: MakeContact, make_campaign: MakeCampaign
) -> None:
    campaign = make_campaign()
    for number in range(60):
        sending.queue(campaign, make_contact(f"c{number}@example.com").pk, key=f"k{number}")

    def drain() -> None:
        try:
            sending.drain()
        finally:
            connection.close()

    workers = [threading.Thread(target=drain) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(one.recipients[0] for one in mail_server.received) == sorted(f"c{n}@example.com" for n in range(60))
    assert set(Mail.objects.values_list("outcome", flat=True)) == {"sent"}


def test_a_mail_needs_what_it_speaks_of(
    mail_server: MailServer, make_contact: MakeContact, make_campaign: MakeCampaign, make_payment: Callable[..., Any]
) -> None:
    """No mail with holes in it: without the recurring payment it fails, with the reason."""
    campaign, contact = make_campaign(html="Due {{ recurring_payment.next_payment_date }}"), make_contact()
    lost = sending.queue(campaign, contact.pk, key="1")
    found = sending.queue(campaign, contact.pk, key="2", recurring_payment_id=make_payment(contact).pk)
    nobody = sending.queue(make_campaign(), make_contact("", "No Address").pk, key="3")
    sending.drain()
    assert outcome(lost) == outcome(nobody) == "failed" and "recurring payment" in lost.last_error
    assert outcome(found) == "sent" and "Due Dec 1, 2026" in mail_server.received[0].body("html")


def test_mails_follow_a_merged_contact(queued: Mail, make_contact: MakeContact, marketer: Any) -> None:
    from contacts import merging

    other = make_contact("other@example.com")
    merging.merge(other.pk, queued.contact_id, marketer)
    queued.refresh_from_db()
    assert queued.contact_id == other.pk
    assert Contact.objects.present().get() == other


def test_a_value_that_breaks_a_filter_stops_only_its_own_mail(
    mail_server: MailServer, make_contact: MakeContact, make_campaign: MakeCampaign
) -> None:
    campaign = make_campaign(html="<p>{{ contact.first_name | round }}</p>")
    broken = sending.queue(campaign, make_contact("a@example.com", "nan").pk, key="1")
    fine = sending.queue(campaign, make_contact("b@example.com", "4.4").pk, key="2")
    assert sending.drain() == 2
    assert (outcome(broken), outcome(fine)) == ("failed", "sent")
    assert "cannot work with this contact’s value" in broken.last_error


def test_a_rehearsal_keeps_no_copy_for_a_claim_that_is_lost(
    make_contact: MakeContact, make_campaign: MakeCampaign
) -> None:
    sending.queue(make_campaign(), make_contact(is_test=True).pk, key="1")
    slow: list[Mail] = Mail.objects.claim(1)
    Mail.objects.update(lease_until=Now() - timedelta(seconds=1))
    sending.drain()
    sending._send(slow)
    assert SentCopy.objects.count() == 1
