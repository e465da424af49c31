"""Workers that die while they send (rows 34, 73): none or one mail, and the one in doubt is shown as unknown."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from campaigns import direct, sending
from campaigns.models import Campaign, Mail, Sending
from contacts.models import Contact, ContactList, ListMembership
from tests.campaigns.smtp import GO_ON, MailServer, serve
from tests.faults.conftest import amount
from tests.faults.machine import Machine
from tests.waiting import eventually
from users.models import Role, User


@pytest.fixture
def mail_server(machine: Machine, settings: object) -> Iterator[MailServer]:
    """Where the machine's workers and this process send to."""
    with serve() as server:
        url = f"smtp://127.0.0.1:{server.port}"
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"  # type: ignore[attr-defined]
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port  # type: ignore[attr-defined]
        settings.EMAIL_URL = url  # type: ignore[attr-defined]
        yield server


def campaign_for(count: int) -> Campaign:
    readers = ContactList.objects.create(name="Readers")
    rows = [Contact(email=f"r{n}@mill.example", email_key=f"r{n}@mill.example", first_name="R") for n in range(count)]
    made = Contact.objects.bulk_create(rows)
    ListMembership.objects.bulk_create([ListMembership(contact=one, list=readers) for one in made])
    campaign = Campaign.objects.create(name="News", kind="direct", subject="News", html="<p>Hello</p>")
    campaign.lists.add(readers)
    return campaign


def start_worker(machine: Machine, server: MailServer, name: str) -> None:
    machine.start_worker(name, EMAIL_URL=f"smtp://127.0.0.1:{server.port}")


def arrived(server: MailServer) -> Counter[str]:
    return Counter(one.recipients[0] for one in server.received)


def test_a_worker_killed_before_the_answer_leaves_one_unknown(machine: Machine, mail_server: MailServer) -> None:
    """kill -9 between the hand-over and its answer: the mail arrived or did not; nobody sends it again."""
    entered, go_on = threading.Event(), threading.Event()

    def hang(step: str, recipient: str) -> str:
        if step == "answer" and not go_on.is_set():
            entered.set()
            go_on.wait(60)
        return GO_ON

    mail_server.fault = hang
    campaign = campaign_for(5)
    direct.send(campaign, User.objects.create_user("mia@example.com", role=Role.MARKETER))
    direct.drain()
    machine.start_product()
    machine.kill("worker")
    start_worker(machine, mail_server, "worker 1")
    assert entered.wait(60)
    machine.kill("worker 1")
    go_on.set()
    start_worker(machine, mail_server, "worker 2")
    eventually(lambda: not Mail.objects.filter(outcome="queued").exists(), timeout=120, what="all mails have an end")
    machine.rest()
    outcomes = Counter(Mail.objects.values_list("outcome", flat=True))
    assert outcomes == {"unknown": 1, "sent": 4}
    assert max(arrived(mail_server).values()) == 1
    assert len(mail_server.received) == 5
    mail = Mail.objects.get(outcome="unknown")
    assert mail.last_error_code == "worker_lost" and mail.handed_at
    # Only a person sends it again.
    sending.resend(mail)
    sending.drain()
    assert arrived(mail_server)[mail.to] == 2


def test_workers_killed_at_random_never_send_twice(machine: Machine, mail_server: MailServer) -> None:
    """Row 34: queued page by page and sent by workers that die again and again."""
    count = amount("MAILS", 300)
    campaign = campaign_for(count)
    direct.send(campaign, User.objects.create_user("mia@example.com", role=Role.MARKETER))
    machine.start_product()
    machine.kill("worker")
    mail_server.fault = _slowly
    # Fewer than a row may take along before it is set aside (MAX_CLAIMS).
    for number in range(amount("MAIL_KILLS", 3)):
        before = len(mail_server.received)
        start_worker(machine, mail_server, f"worker {number}")
        eventually(lambda seen=before: len(mail_server.received) > seen + 5, timeout=60, what="some mails arrive")
        machine.kill(f"worker {number}")
    start_worker(machine, mail_server, "the last worker")
    eventually(_is_over, timeout=180, what="all mails have an end")
    machine.rest()
    outcomes = Counter(Mail.objects.values_list("outcome", flat=True))
    assert set(outcomes) <= {"sent", "unknown"} and outcomes.total() == count
    assert max(arrived(mail_server).values()) == 1
    lost = count - len(mail_server.received)
    assert 0 <= lost <= outcomes["unknown"]


def _slowly(step: str, argument: str) -> str:
    if step == "taken":
        time.sleep(0.01)
    return GO_ON


def _is_over() -> bool:
    expanded = not Sending.objects.filter(finished_at=None).exists()
    return expanded and not Mail.objects.filter(outcome="queued").exists()
