"""Failures are told: to whom, when, and how many in one mail."""

from __future__ import annotations

import html
from datetime import timedelta
from threading import Event

import pytest
from django.core import mail
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from automations import failures, health, idle, lifecycle, notices, trouble
from automations.models import Automation, FailureRecipient, FailureReport, Notice, RunStep, TriggerProblem
from contacts.models import ContactList
from tests.automations.conftest import Make, on, person, step, tagged, worked
from tests.automations.test_dispatch import at_once
from tests.campaigns.conftest import mail_server as mail_server
from tests.campaigns.smtp import GO_ON, MailServer
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)
TAGGED = on("tag_added", tag="start")


def told() -> list[str]:
    """The subjects that leave once the minute of gathering is over."""
    failures.drain()
    FailureReport.objects.filter(told_at=None).update(next_attempt_at=Now())
    failures.drain()
    before = len(mail.outbox)
    notices.drain()
    return [message.subject for message in mail.outbox[before:]]


@pytest.fixture
def broken(automation: Make) -> Automation:
    """An automation whose only step cannot work any more."""
    gone = ContactList.objects.create(name="Gone")
    made = automation(TAGGED, [step("join_list", 1, list=gone.pk)], name="Welcome")
    gone.delete()
    return made


def fail(times: int) -> None:
    for _ in range(times):
        tagged(person(), "start")
    worked()


def test_ten_failures_are_one_mail(broken: Automation, marketer: User, staff: User) -> None:
    """C021."""
    failures.choose(broken, [marketer])
    fail(10)
    assert RunStep.objects.filter(result="failed").count() == 10
    assert told() == ["Automation “Welcome”: 10 failures"]
    (message,) = mail.outbox
    assert message.to == [marketer.email]
    assert message.body.count("The list of this step was deleted.") == 5 and "and 5 more" in message.body
    assert told() == []


def test_what_fails_within_the_hour_comes_with_the_next_mail(broken: Automation, marketer: User) -> None:
    """C021."""
    failures.choose(None, [marketer])
    fail(1)
    assert told() == ["Automation “Welcome”: 1 failure"]
    fail(3)
    assert told() == []
    report = FailureReport.objects.get()
    assert report.told_at and report.next_attempt_at - report.told_at >= timedelta(minutes=59)
    FailureReport.objects.update(next_attempt_at=Now())
    assert told() == ["Automation “Welcome”: 3 failures"]


def test_a_failure_waits_a_minute_for_others(broken: Automation, marketer: User) -> None:
    failures.choose(None, [marketer])
    fail(1)
    failures.drain()
    assert not Notice.objects.exists()
    fail(1)
    assert told() == ["Automation “Welcome”: 2 failures"]


def test_who_is_chosen_for_all_and_for_one_gets_one_mail(broken: Automation, marketer: User, staff: User) -> None:
    failures.choose(None, [marketer, staff])
    failures.choose(broken, [marketer])
    staff.is_active = False
    staff.save()
    fail(2)
    assert told() == ["Automation “Welcome”: 2 failures"]


def test_two_who_choose_at_the_same_moment_are_no_error(db: None, marketer: User, staff: User) -> None:
    """C021: a double click, or two colleagues; the last one's choice stands."""
    at_once(4, lambda: failures.choose(None, [marketer, staff]))
    assert FailureRecipient.objects.count() == 2
    at_once(2, lambda: failures.choose(None, [marketer]))
    assert FailureRecipient.objects.get().user == marketer


def test_nobody_is_told_of_failures_before_somebody_wished_it(broken: Automation, marketer: User) -> None:
    fail(2)
    assert told() == []
    failures.choose(None, [marketer])
    assert told() == []


def test_a_trigger_that_cannot_start_is_told_and_forgotten_when_mended(
    automation: Make, marketer: User, staff_client: Client
) -> None:
    """C021."""
    vips = ContactList.objects.create(name="VIPs")
    conditions = {"match": "all", "items": [{"field": "contact.list", "operator": "in", "value": str(vips.pk)}]}
    made = automation(TAGGED, [step("add_tag", 1, tag="x")], name="Vips")
    version = made.current
    assert version
    version.triggers = [on("tag_added", tag="start", conditions=conditions | {"items": [{"field": "gone"}]})]
    version.save()
    failures.choose(None, [marketer])
    assert told() == ["Automation “Vips” cannot start"]
    problem = trouble.of([made.pk])[made.pk].problem
    assert problem
    assert f"Cannot start: {problem}" in html.unescape(staff_client.get(reverse("automations:list")).content.decode())
    version.triggers = [TAGGED]
    version.save()
    failures.drain()
    assert not TriggerProblem.objects.exists() and not trouble.of([made.pk])


def test_the_list_shows_which_automations_fail(broken: Automation, automation: Make, staff_client: Client) -> None:
    """C020."""
    other = automation(on("tag_added", tag="other"), [step("add_tag", 1, tag="x")])
    fail(3)
    marked = trouble.of([broken.pk, other.pk])
    listed = staff_client.get(reverse("automations:list")).content.decode()
    assert f'{reverse("automations:automation-runs", args=[broken.pk])}?state=trouble">3 failed' in listed
    assert marked[broken.pk].failed == 3 and other.pk not in marked
    lifecycle.pause(other.pk)


def test_a_notice_whose_answer_never_came_is_not_sent_again(marketer: User, mail_server: MailServer) -> None:
    """Row 73: the server may have taken it."""
    notices.queue(marketer, "Ten failures", "Look.", key="once")
    mail_server.fault = lambda at, argument: None if at == "answer" else GO_ON
    notices.drain()
    Notice.objects.update(next_attempt_at=Now())
    mail_server.fault = lambda at, argument: GO_ON
    notices.drain()
    assert len(mail_server.received) == 1
    assert Notice.objects.get().state == "dead"


def test_notices_wait_for_a_way_to_send_mail(marketer: User, settings: Settings) -> None:
    """C021: without EMAIL_URL nothing is said to be sent, and nothing is late."""
    settings.EMAIL_URL = ""
    notices.queue(marketer, "Ten failures", "Look.", key="once")
    Notice.objects.update(next_attempt_at=Now() - timedelta(hours=1))
    before = len(mail.outbox)
    assert notices.drain() == 0
    assert (Notice.objects.get().state, len(mail.outbox)) == ("due", before)
    assert health._notices() is None
    assert idle._notices() == 0
    settings.EMAIL_URL = "memorymail://"
    assert health._notices()
    assert notices.drain() == 1
    assert len(mail.outbox) == before + 1


def test_notices_share_a_way_and_give_back_what_there_is_no_time_for(marketer: User, mail_server: MailServer) -> None:
    """A slow server takes no claim beyond its lease."""
    for number in range(4):
        notices.queue(marketer, f"Failure {number}", "Look.", key=f"{number}")
    slow = Event()
    mail_server.fault = lambda at, argument: GO_ON if not slow.wait(4 if at == "data" else 0) else None
    notices.drain(3)
    states = list(Notice.objects.order_by("pk").values_list("state", "attempts"))
    assert states == [("done", 0), ("due", 0), ("due", 0), ("due", 0)]
    mail_server.fault = lambda at, argument: GO_ON
    before = mail_server.connections
    notices.drain()
    assert (len(mail_server.received), mail_server.connections - before) == (4, 1)


def test_a_notice_that_is_no_mail_holds_up_no_other(marketer: User, mail_server: MailServer) -> None:
    notices.queue(marketer, "Two\nlines", "Look.", key="bad")
    notices.queue(marketer, "Fine", "Look.", key="fine")
    notices.drain()
    assert [one.message["Subject"] for one in mail_server.received] == ["Two lines", "Fine"]
