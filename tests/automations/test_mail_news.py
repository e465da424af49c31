"""What became of a mail reaches the run that asked for it, and who is told of failures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from automations import failures, mail_news, trouble
from automations.models import Automation, FailureReport, Notice, Run, RunStep
from campaigns import sending
from campaigns.happenings import record
from campaigns.models import Campaign, Mail, MailEvent, Suppression
from campaigns.suppressing import suppress
from tests.automations.conftest import Make, on, person, step, tagged, worked
from tests.campaigns.conftest import mail_server as mail_server
from tests.campaigns.conftest import make_campaign as make_campaign
from tests.campaigns.smtp import GO_ON, MailServer
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def welcome(automation: Make, make_campaign: Any, mail_server: MailServer) -> Automation:
    campaign: Campaign = make_campaign(name="Welcome mail")
    return automation(on("tag_added", tag="start"), [step("send_mail", 1, campaign=campaign.pk)], name="Welcome")


def asked(email: str = "", **values: Any) -> Mail:
    """A run asks for its mail, which waits in the queue."""
    contact = person(email, **values)
    tagged(contact, "start", is_test=contact.is_test)
    worked()
    return Mail.objects.get(contact=contact)


def told() -> list[tuple[str, int | None, str]]:
    """Pull, and tell the lines that are about mails: result, status, message."""
    mail_news.drain()
    lines = RunStep.objects.exclude(mail=None).order_by("pk")
    return list(lines.values_list("result", "status", "message"))


def test_a_mail_that_left_is_noted_once_in_its_run(welcome: Automation) -> None:
    asked("ana@example.com")
    assert told() == []
    sending.drain()
    assert told() == [("note", None, "Mail “Welcome mail” sent to ana@example.com.")]
    assert told() == told() and mail_news.drain() == 0


def test_a_refused_mail_reaches_the_log_and_the_grouped_mail(
    welcome: Automation, mail_server: MailServer, marketer: User
) -> None:
    """C020, C021: with the reason and the mail server's status."""
    failures.choose(None, [marketer])
    asked("ana@example.com")
    asked("bea@example.com")
    mail_server.fault = lambda at, argument: "550 no such user" if at == "rcpt" else GO_ON
    sending.drain()
    (result, status, message), _ = told()
    assert (result, status) == ("failed", 550) and "no such user" in message
    assert Run.objects.filter(state="done").count() == 2
    assert trouble.of([welcome.pk])[welcome.pk].failed == 2
    report = _report()
    assert report.subject == "Automation “Welcome”: 2 failures"
    assert "Send a mail (550): Mail “Welcome mail” failed" in report.text


def test_a_mail_server_that_stays_away_is_a_failure_in_the_end(welcome: Automation, settings: Any) -> None:
    """C020."""
    mail = asked()
    settings.EMAIL_PORT = 1
    sending.drain()
    assert told() == []
    Mail.objects.update(attempts=10, next_attempt_at=Now())
    sending.drain()
    ((result, _, message),) = told()
    assert result == "failed" and "cannot be reached" in message
    assert RunStep.objects.get(mail=mail).run.contact == mail.contact


def test_a_mail_of_which_nobody_knows_is_a_failure_until_it_is_known(welcome: Automation) -> None:
    """C020: a worker died at the hand-over; the one thought lost comes back and knows."""
    asked("ana@example.com")
    (claimed,) = Mail.objects.claim(5)
    gone = Now() - timedelta(seconds=1)
    Mail.objects.update(handed_at=Now(), lease_until=gone, to="ana@example.com")
    sending.settle_lost()
    ((result, _, message),) = told()
    assert result == "failed" and "nobody knows whether it arrived" in message
    claimed.ended(Mail.Outcome.SENT, sent_at=Now())
    assert told()[1:] == [("note", None, "Mail “Welcome mail” sent to ana@example.com.")]


def test_a_bounce_is_told_once_with_its_status(welcome: Automation, marketer: User) -> None:
    """C020, C021."""
    mail = asked("ana@example.com")
    sending.drain()
    assert len(told()) == 1
    record(mail, MailEvent.Kind.BOUNCED, detail="smtp; 552 5.2.2 mailbox full", key="b1", is_final=False)
    record(mail, MailEvent.Kind.BOUNCED, detail="once more", key="b2", is_final=False)
    expected = "Mail “Welcome mail” came back from ana@example.com. smtp; 552 5.2.2 mailbox full"
    assert told()[1:] == [("failed", 552, expected)]
    record(mail, MailEvent.Kind.BOUNCED, detail="and again", key="b3", is_final=False)
    assert len(told()) == 2


def test_a_mail_that_nobody_knew_of_and_that_came_back_is_one_failure(welcome: Automation) -> None:
    """C020: both lines stand in the log; the list counts mails."""
    mail = asked("ana@example.com")
    Mail.objects.claim(5)
    Mail.objects.update(handed_at=Now(), lease_until=Now() - timedelta(seconds=1), to="ana@example.com")
    sending.settle_lost()
    assert len(told()) == 1
    record(mail, MailEvent.Kind.BOUNCED, detail="552 5.2.2 mailbox full", key="b1", is_final=False)
    assert [result for result, *_ in told()] == ["failed", "failed"]
    assert trouble.of([welcome.pk])[welcome.pk].failed == 1


def test_an_unsubscribed_contact_is_noted_and_mentioned_but_no_failure(
    welcome: Automation, mail_server: MailServer, marketer: User
) -> None:
    """C021: nothing is broken, so it alone causes no mail; the next one names the number."""
    failures.choose(None, [marketer])
    asked("ana@example.com")
    suppress("ana@example.com", Suppression.Reason.UNSUBSCRIBED)
    sending.drain()
    assert told() == [("skipped", None, "Mail “Welcome mail” was not sent: the contact has unsubscribed.")]
    failures.drain()
    assert not FailureReport.objects.exists()
    mail_server.fault = lambda at, argument: "550 no such user" if at == "rcpt" else GO_ON
    asked()
    sending.drain()
    mail_news.drain()
    assert "Not sent, as the contact wants no mails or they come back: 1" in _report().text


def test_a_resent_mail_tells_the_same_run(welcome: Automation, mail_server: MailServer) -> None:
    mail = asked("ana@example.com")
    mail_server.fault = lambda at, argument: "550 no" if at == "rcpt" else GO_ON
    sending.drain()
    assert len(told()) == 1
    mail_server.fault = lambda at, argument: GO_ON
    again = sending.resend(mail)
    sending.drain()
    assert [result for result, *_ in told()] == ["failed", "note"]
    assert RunStep.objects.get(mail=again).run == RunStep.objects.get(mail=mail).run
    assert not trouble.of([welcome.pk])


def test_mails_whose_run_is_gone_and_mails_of_people_are_no_news(welcome: Automation, make_campaign: Any) -> None:
    asked()
    Run.objects.get_queryset().delete()
    sending.queue(make_campaign(), person().pk, key="k")
    sending.drain()
    assert told() == [] and not Mail.untold().exists()


def test_a_run_leads_to_its_mail(welcome: Automation, staff_client: Client) -> None:
    mail = asked()
    sending.drain()
    mail_news.drain()
    page = staff_client.get(reverse("automations:run", args=[Run.objects.get().pk])).content.decode()
    assert page.count(f'href="{reverse("campaigns:mail", args=[mail.pk])}"') == 2
    assert "sent to" in page


def _report() -> Notice:
    failures.drain()
    FailureReport.objects.update(next_attempt_at=Now())
    failures.drain()
    return Notice.objects.get()
