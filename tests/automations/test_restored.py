"""Row 48 of the table of faults: a restored backup does nothing again that was done since it was taken."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from automations import dispatch, engine, lifecycle, mail_news, notices, restored
from automations.destinations import queueing
from automations.destinations import sending as destinations
from automations.destinations.models import Delivery, Destination
from automations.models import Automation, Notice, Run, RunStep
from campaigns import direct, sending
from campaigns import restored as held_mails
from campaigns.models import Campaign, Mail, Sending
from contacts.models import ContactList, ListMembership
from sandbox.webhook_receiver import Receiver
from tests.automations.conftest import Make, later, on, person, step, tagged, worked
from tests.automations.destinations import EMAIL
from tests.automations.destinations import receiver as receiver
from tests.automations.destinations import shop as shop
from tests.campaigns.conftest import MakeCampaign
from tests.campaigns.conftest import mail_server as mail_server
from tests.campaigns.conftest import make_campaign as make_campaign
from tests.campaigns.smtp import MailServer
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reminder(automation: Make, shop: Destination, make_campaign: MakeCampaign) -> Automation:
    """A webhook and a mail at once, and another mail three days later."""
    mail = make_campaign(name="Reminder").pk
    steps = [
        step("webhook", 1, destination=shop.pk, name="order.paid", mapping=[EMAIL]),
        step("send_mail", 2, campaign=mail),
        step("wait", 3, duration={"amount": 3, "unit": "days"}),
        step("send_mail", 4, campaign=mail),
    ]
    return automation(on("tag_added", tag="start"), steps, name="Reminder of payments")


@pytest.fixture
def newsletter(make_campaign: MakeCampaign, marketer: User) -> Campaign:
    """On its way to one reader."""
    campaign = make_campaign(name="Newsletter", kind="direct")
    campaign.lists.add(readers := ContactList.objects.create(name="Readers"))
    ListMembership.objects.create(contact=person("reader@example.com"), list=readers)
    direct.send(campaign, marketer)
    return campaign


def everything() -> None:
    """All that workers would do now."""
    for drain in (dispatch, engine, direct, sending, destinations, notices, mail_news):
        drain.drain()


def test_nothing_that_waited_leaves_by_itself(
    reminder: Automation, newsletter: Campaign, mail_server: MailServer, receiver: Receiver, marketer: User
) -> None:
    ann = person("ann@example.com")
    tagged(ann, "start")
    worked()
    notices.queue(marketer, "Failures", "Look.", key="n1")
    # Not looked at by anybody when the backup was taken, and three days are over since.
    tagged(person("late@example.com"), "start")
    later(Run.objects.get(), minutes=1)

    held = restored.hold_back()
    assert (held.automations, held.campaigns) == ([reminder.name], [newsletter.name])
    assert (held.runs, held.mails, held.deliveries, held.notices) == (1, 1, 1, 1)
    everything()
    assert mail_server.received == [] and receiver.messages() == []
    assert Mail.objects.get(contact=ann).outcome == "unknown"
    assert Notice.objects.get().state == "dead"
    assert Sending.objects.get().cancelled_at, "it may have gone out as a whole"
    with pytest.raises(direct.CannotSend):
        direct.send(newsletter, marketer)
    assert Run.objects.get().state == "ignored", "what happened before the backup starts nothing either"
    told = Notice.objects.exclude(key="n1")
    assert not told.exists()
    failed = RunStep.objects.filter(result="failed").values_list("message", flat=True)
    assert sum(restored.WHY in message or held_mails.WHY in message for message in failed) == 2
    again = restored.hold_back()
    assert again == restored.HeldBack([], 0, [], 0, 0, 0)
    lifecycle.resume(reminder.pk)
    everything()
    assert mail_server.received == []


def test_a_person_sends_what_was_not_sent(
    reminder: Automation, mail_server: MailServer, receiver: Receiver, marketer_client: Client
) -> None:
    ann = person("ann@example.com")
    tagged(ann, "start")
    worked()
    restored.hold_back()
    mail = Mail.objects.get()
    assert held_mails.WHY in marketer_client.get(reverse("campaigns:mail", args=[mail.pk])).content.decode()
    marketer_client.post(reverse("campaigns:resend", args=[mail.pk]))
    assert queueing.resend(Delivery.objects.get())
    everything()
    assert len(mail_server.received) == len(receiver.messages()) == 1
    lifecycle.resume(reminder.pk)
    later(Run.objects.get(), minutes=1)
    everything()
    everything()
    assert len(mail_server.received) == 2 and Run.objects.get().state == "done"


def test_a_campaign_that_comes_later_stays(newsletter: Campaign) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    Sending.objects.update(starts_at=tomorrow, next_attempt_at=tomorrow)
    assert restored.hold_back().campaigns == []
    assert Sending.objects.get().state == "due"


def test_what_a_killed_worker_had_claimed_waits_too(reminder: Automation, mail_server: MailServer) -> None:
    tagged(person("ann@example.com"), "start")
    worked()
    Mail.objects.claim(1)
    Delivery.objects.claim(1)
    Mail.objects.update(lease_until=Now() - timedelta(hours=9))
    restored.hold_back()
    everything()
    assert mail_server.received == []


def test_the_command_says_what_it_held(
    reminder: Automation, newsletter: Campaign, capsys: pytest.CaptureFixture[str]
) -> None:
    tagged(person("ann@example.com"), "start")
    worked()
    call_command("after_restore")
    assert capsys.readouterr().out.splitlines() == [
        "Automations that pause: Reminder of payments",
        "Runs that were due and have ended: 0",
        "Campaigns whose time had come and that are cancelled: Newsletter",
        "Mails whose fate nobody knows: 1",
        "Deliveries held back: 1",
        "Notices to colleagues dropped: 0",
    ]
