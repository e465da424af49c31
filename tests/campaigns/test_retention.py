"""Old mails go, their figures stay, and the way out works for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campaigns import links, retention, sending, tallying
from campaigns.happenings import record
from campaigns.models import Campaign, Mail, MailEvent, SentCopy, Suppression, Tally
from campaigns.standing import Figures, figures
from campaigns.suppressing import suppress
from tests.campaigns.conftest import MakeCampaign, MakeContact
from tests.campaigns.smtp import GO_ON, MailServer

pytestmark = pytest.mark.django_db(transaction=True)
Kind = MailEvent.Kind


@pytest.fixture
def campaign(make_campaign: MakeCampaign, make_contact: MakeContact, mail_server: MailServer) -> Campaign:
    """Three mails left, one was refused, one not wanted, one went to a test contact, one waits."""
    made = make_campaign()
    mail_server.fault = lambda at, argument: "550 no" if at == "rcpt" and "bad@" in argument else GO_ON
    suppress("no@example.com", Suppression.Reason.UNSUBSCRIBED)
    for name in ("ana", "bea", "cleo", "bad", "no"):
        sending.queue(made, make_contact(f"{name}@example.com").pk, key=name)
    sending.queue(made, make_contact("test@example.com", is_test=True).pk, key="test")
    sending.drain()
    sending.queue(made, make_contact("later@example.com").pk, key="later")
    return made


def mail(key: str) -> Mail:
    return Mail.objects.get(key=key)


def of(campaign: Campaign) -> Figures:
    return figures([campaign])[campaign.pk]


def aged(days: int) -> None:
    Mail.objects.update(created_at=Now() - timedelta(days=days))
    SentCopy.objects.update(sent_at=Now() - timedelta(days=days))


def test_figures_are_the_same_before_and_after_counting_and_removing(campaign: Campaign) -> None:
    record(mail("ana"), Kind.CLICKED, url="https://example.com/")
    expected = Figures(queued=1, sent=3, failed=1, suppressed=1, test=1, opened=1, clicked=1)
    assert of(campaign) == expected
    assert (tallying.drain(), tallying.drain()) == (6, 0)
    assert of(campaign) == expected
    aged(401)
    assert retention.clear_old() == 7
    assert of(campaign) == expected
    assert not MailEvent.objects.exists() and list(Mail.objects.values_list("key", flat=True)) == ["later"]


def test_what_happens_to_a_counted_mail_is_added_once(campaign: Campaign) -> None:
    tallying.drain()
    for _ in range(3):
        record(mail("ana"), Kind.OPENED)
    record(mail("ana"), Kind.CLICKED, url="https://example.com/")
    record(mail("bea"), Kind.CLICKED, url="https://example.com/")
    record(mail("cleo"), Kind.BOUNCED, key="b1")
    record(mail("cleo"), Kind.BOUNCED, key="b2")
    record(mail("bea"), Kind.UNSUBSCRIBED)
    record(mail("bea"), Kind.REPLIED, key="r1")
    record(mail("bad"), Kind.OPENED)
    found = of(campaign)
    assert (found.opened, found.clicked, found.bounced, found.unsubscribed, found.replied) == (2, 2, 1, 1, 1)
    Mail.objects.update(is_tallied=False)
    Tally.objects.all().delete()
    assert of(campaign) == found


def test_a_mail_nobody_knows_about_is_counted_when_it_is_known_or_removed(
    make_campaign: MakeCampaign, make_contact: MakeContact
) -> None:
    campaign = make_campaign()
    sending.queue(campaign, make_contact().pk, key="k")
    (claimed,) = Mail.objects.claim(1)
    claimed.ended(Mail.Outcome.UNKNOWN)
    assert tallying.drain() == 0 and of(campaign).unknown == 1
    claimed.ended(Mail.Outcome.SENT)
    assert tallying.drain() == 1 and of(campaign) == Figures(sent=1)
    sending.queue(campaign, make_contact("bea@example.com").pk, key="l")
    (claimed,) = Mail.objects.claim(1)
    claimed.ended(Mail.Outcome.UNKNOWN)
    aged(401)
    retention.clear_old()
    assert of(campaign) == Figures(sent=1, unknown=1)


def test_the_list_looks_at_no_mail_that_was_counted(campaign: Campaign) -> None:
    tallying.drain()
    with CaptureQueriesContext(connection) as asked:
        of(campaign)
    (question,) = [one["sql"] for one in asked.captured_queries]
    with connection.cursor() as cursor:
        # So that the table says of itself what it will say when it is large.
        cursor.execute("set enable_seqscan = off")
        cursor.execute("analyze campaigns_mail")
        cursor.execute("explain " + question)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("reset enable_seqscan")
    assert "mail_untallied" in plan


def test_processes_of_the_version_before_go_on(campaign: Campaign) -> None:
    """Row 47: while a new version is put in place, the old one makes mails without the column it does not know."""
    columns = ", ".join(f'"{field.column}"' for field in Mail._meta.concrete_fields if field.column != "is_tallied")
    SentCopy.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "create temporary table before on commit drop as select * from campaigns_mail;"
            "delete from campaigns_mail;"
            f"insert into campaigns_mail ({columns}) select {columns} from before"
        )
    assert set(Mail.objects.values_list("is_tallied", flat=True)) == {False}


def test_what_a_mail_said_goes_earlier_than_the_mail(campaign: Campaign) -> None:
    aged(44)
    retention.clear_old()
    assert SentCopy.objects.count() == 1
    aged(46)
    retention.clear_old()
    assert not SentCopy.objects.exists() and Mail.objects.count() == 7


def test_the_way_out_works_when_the_mail_is_gone(campaign: Campaign, client: Client, marketer: Any) -> None:
    sent = mail("ana")
    address = links.unsubscribe_url(sent.pk, sent.contact_id).partition("/mail/")[2]
    aged(401)
    retention.clear_old()
    assert "ana@example.com" in client.get(f"/mail/{address}").content.decode()
    assert not Suppression.objects.filter(email_key="ana@example.com").exists()
    assert "You are unsubscribed" in client.post(f"/mail/{address}").content.decode()
    assert Suppression.objects.filter(email_key="ana@example.com").exists()
