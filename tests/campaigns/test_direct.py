"""Direct campaigns: each contact once, whatever dies in the middle."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns import direct, sending
from campaigns.models import Campaign, Mail, Sending
from contacts import merging
from contacts.models import Contact, ContactList, ListMembership
from tests.campaigns.conftest import MakeCampaign, MakeContact
from tests.campaigns.smtp import MailServer
from tests.waiting import eventually, somebody_waits_for_a_lock
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign(make_campaign: MakeCampaign) -> Campaign:
    campaign = make_campaign(kind="direct")
    campaign.lists.add(ContactList.objects.create(name="Readers"))
    return campaign


def readers(count: int) -> list[Contact]:
    rows = [Contact(email=f"r{n}@example.com", email_key=f"r{n}@example.com", first_name=f"R{n}") for n in range(count)]
    made = Contact.objects.bulk_create(rows)
    readers = ContactList.objects.get()
    ListMembership.objects.bulk_create([ListMembership(contact=one, list=readers) for one in made])
    return made


def test_it_arrives_once_at_everybody(mail_server: MailServer, campaign: Campaign, marketer: User) -> None:
    readers(3)
    direct.send(campaign, marketer)
    assert direct.drain() == 3
    assert direct.drain() == 0
    sending.drain()
    assert sorted(one.recipients[0] for one in mail_server.received) == [f"r{n}@example.com" for n in range(3)]
    with pytest.raises(direct.CannotSend):
        direct.send(campaign, marketer)


def test_one_that_is_scheduled_is_not_put_away(campaign: Campaign, marketer: User, marketer_client: Client) -> None:
    """Archived, it would have no button that cancels it, and go out."""
    readers(1)
    direct.send(campaign, marketer, timezone.now() + timedelta(days=1))
    marketer_client.post(reverse("campaigns:archive", args=[campaign.pk]))
    campaign.refresh_from_db()
    assert campaign.archived_at is None
    direct.cancel(campaign)
    marketer_client.post(reverse("campaigns:archive", args=[campaign.pk]))
    campaign.refresh_from_db()
    assert campaign.archived_at


def test_ten_thousand_are_queued_in_few_statements(campaign: Campaign, marketer: User) -> None:
    readers(10_000)
    direct.send(campaign, marketer)
    statements: list[str] = []

    def count(execute: Any, sql: Any, *about: Any) -> Any:
        statements.append(str(sql)[:60])
        return execute(sql, *about)

    with connection.execute_wrapper(count):
        assert direct.drain(300) == 10_000
    assert len(statements) < 120
    assert Mail.objects.count() == Mail.objects.values("contact").distinct().count() == 10_000


def test_a_worker_killed_in_the_middle_repeats_nothing(
    campaign: Campaign, marketer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor and its page commit together; a new worker goes on from there."""
    monkeypatch.setattr(direct, "PAGE", 10)
    readers(35)
    direct.send(campaign, marketer)
    (claimed,) = Sending.objects.claim(1)
    assert direct._page(claimed) == 10
    assert direct._page(claimed) == 10
    # Its worker is gone. What it might still write is fenced off by the claim number of the next one.
    Sending.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert direct.drain() == 15
    assert direct._page(claimed) is None
    assert Mail.objects.count() == 35
    held = Sending.objects.get()
    assert (held.state, held.queued) == ("done", 35) and held.finished_at


def test_a_time_to_come_is_waited_for(campaign: Campaign, marketer: User) -> None:
    readers(2)
    direct.send(campaign, marketer, timezone.now() + timedelta(hours=1))
    assert direct.drain() == 0
    Sending.objects.update(next_attempt_at=Now())
    assert direct.drain() == 2


def test_cancelled_before_it_began_nothing_happened(campaign: Campaign, marketer: User) -> None:
    readers(2)
    direct.send(campaign, marketer, timezone.now() + timedelta(hours=1))
    direct.cancel(campaign)
    assert not Sending.objects.exists()
    direct.send(campaign, marketer)


def test_cancelled_in_the_middle_the_rest_stays(
    mail_server: MailServer, campaign: Campaign, marketer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "PAGE", 10)
    readers(25)
    direct.send(campaign, marketer)
    (claimed,) = Sending.objects.claim(1)
    assert direct._page(claimed) == 10
    # A worker holds some of them, but has handed over none.
    held: list[Mail] = Mail.objects.claim(4)
    assert direct.cancel(campaign) == 10
    assert direct._page(claimed) is None
    sending._send(held)
    assert sending.drain() == 0 and mail_server.received == []
    assert set(Mail.objects.values_list("outcome", flat=True)) == {"cancelled"}


def test_a_rehearsal_reaches_only_test_contacts(
    mail_server: MailServer, campaign: Campaign, make_contact: MakeContact, marketer: User
) -> None:
    """C022."""
    readers(2)
    ContactList.objects.get().contacts.add(make_contact("t@example.com", is_test=True))
    Campaign.objects.update(to_test_contacts=True)
    campaign.refresh_from_db()
    direct.send(campaign, marketer)
    direct.drain()
    sending.drain()
    assert Mail.objects.get().outcome == "test" and mail_server.received == []


def test_a_segment_that_cannot_be_asked_is_told(campaign: Campaign, marketer: User, settings: Any) -> None:
    from segments.models import Segment

    gone = {"match": "all", "items": [{"field": "contact.field:gone", "operator": "is", "value": "x"}]}
    campaign.segments.add(Segment.objects.create(name="Gone", conditions=gone))
    direct.send(campaign, marketer)
    assert direct.drain() == 0
    assert "The segment “Gone” cannot be asked" in Sending.objects.get().last_error


def test_one_that_got_stuck_says_why_and_goes_on_where_it_stopped(
    campaign: Campaign, marketer: User, marketer_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten are reached, then its segment cannot be asked any more, until it failed for good."""
    from segments.models import Segment

    monkeypatch.setattr(direct, "PAGE", 10)
    readers(15)
    everybody = {"match": "all", "items": [{"field": "contact.first_name", "operator": "is_not", "value": "x"}]}
    segment = Segment.objects.create(name="All", conditions=everybody)
    campaign.segments.add(segment)
    direct.send(campaign, marketer)
    (claimed,) = Sending.objects.claim(1)
    assert direct._page(claimed) == 10
    gone = {"match": "all", "items": [{"field": "contact.field:gone", "operator": "is", "value": "x"}]}
    Segment.objects.update(conditions=gone)
    Sending.objects.update(state="due", attempts=10)
    assert direct.drain() == 0
    page = marketer_client.get(campaign.get_absolute_url()).content.decode()
    assert (
        "could not be sent" in page
        and "The segment “All” cannot be asked" in page
        and "mails for 10 contacts are made" in page
    )
    assert "Cancel this campaign?" in page
    Segment.objects.update(conditions=everybody)
    marketer_client.post(reverse("campaigns:retry", args=[campaign.pk]))
    assert direct.drain() == 5
    assert (
        reverse("campaigns:retry", args=[campaign.pk])
        not in marketer_client.get(campaign.get_absolute_url()).content.decode()
    )
    assert Mail.objects.count() == 15


def test_a_failed_one_can_be_cancelled(campaign: Campaign, marketer: User) -> None:
    direct.send(campaign, marketer)
    Sending.objects.update(state="dead", queued=1)
    assert direct.cancel(campaign) == 0
    assert Sending.objects.get().cancelled_at


def test_cancelling_waits_for_a_merge_before_it_locks_anything(campaign: Campaign, marketer: User) -> None:
    """A merge locks mails, then the sending: each would wait for the other for ever."""
    readers(2)
    direct.send(campaign, marketer)
    direct.drain()

    def cancel() -> None:
        try:
            direct.cancel(campaign)
        finally:
            connection.close()

    canceller = threading.Thread(target=cancel)
    with transaction.atomic():
        merging._lock("pg_advisory_xact_lock")
        canceller.start()
        eventually(somebody_waits_for_a_lock, what="the one who cancels waits for the merge")
        assert Sending.objects.select_for_update(nowait=True).get().queued == 2
    canceller.join()
    assert set(Mail.objects.values_list("outcome", flat=True)) == {"cancelled"}


def test_cancelling_what_is_over_does_nothing_and_says_so(
    mail_server: MailServer, campaign: Campaign, marketer: User, marketer_client: Client
) -> None:
    readers(2)
    direct.send(campaign, marketer)
    direct.drain()
    sending.drain()
    page = marketer_client.post(reverse("campaigns:cancel", args=[campaign.pk]), follow=True).content.decode()
    assert "Nothing was left to cancel" in page and ">Sent</span>" in page
    assert Sending.objects.get().cancelled_at is None


def test_who_is_merged_while_it_goes_out_gets_it_once(
    mail_server: MailServer, campaign: Campaign, marketer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mail of the first follows to the second, who is still to come."""
    first, second, _ = readers(3)
    direct.send(campaign, marketer)
    monkeypatch.setattr(direct, "PAGE", 1)
    (claimed,) = Sending.objects.claim(1)
    assert direct._page(claimed) == 1
    merging.merge(second.pk, first.pk, marketer)
    claimed.later(timedelta(0))
    direct.drain()
    assert Mail.objects.filter(contact=second).count() == 1 and Sending.objects.get().queued == 2
    sending.drain()
    assert sorted(one.recipients[0] for one in mail_server.received) == ["r1@example.com", "r2@example.com"]


def test_who_is_merged_with_somebody_passed_by_is_not_left_out(
    mail_server: MailServer, campaign: Campaign, marketer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is on no list, and becomes a reader by the merge, behind the cursor."""
    first, _, third = readers(3)
    ListMembership.objects.filter(contact=first).delete()
    direct.send(campaign, marketer)
    monkeypatch.setattr(direct, "PAGE", 1)
    (claimed,) = Sending.objects.claim(1)
    assert direct._page(claimed) == 1
    merging.merge(first.pk, third.pk, marketer)
    claimed.later(timedelta(0))
    direct.drain()
    sending.drain()
    assert sorted(one.recipients[0] for one in mail_server.received) == ["r0@example.com", "r1@example.com"]
    assert Sending.objects.get().queued == 2


def test_two_who_are_merged_before_it_leaves_get_it_once(
    mail_server: MailServer, campaign: Campaign, marketer: User
) -> None:
    first, second = readers(2)
    direct.send(campaign, marketer)
    direct.drain()
    merging.merge(second.pk, first.pk, marketer)
    sending.drain()
    assert [one.recipients for one in mail_server.received] == [["r1@example.com"]]
    assert sorted(Mail.objects.values_list("outcome", flat=True)) == ["cancelled", "sent"]
    assert "merged" in Mail.objects.get(outcome="cancelled").last_error


def test_one_that_left_keeps_the_other_back(mail_server: MailServer, campaign: Campaign, marketer: User) -> None:
    first, second = readers(2)
    direct.send(campaign, marketer)
    direct.drain()
    Mail.objects.filter(contact=second).update(next_attempt_at=Now() + timedelta(hours=1))
    sending.drain()
    Mail.objects.update(next_attempt_at=Now())
    merging.merge(second.pk, first.pk, marketer)
    sending.drain()
    assert [one.recipients for one in mail_server.received] == [["r0@example.com"]]


def test_mails_of_automations_are_not_counted_against_each_other(make_campaign: MakeCampaign, marketer: User) -> None:
    ContactList.objects.create(name="Readers")
    first, second = readers(2)
    campaign = make_campaign()
    for one in (first, second):
        sending.queue(campaign, one.pk, key=f"run:{one.pk}:s1")
    merging.merge(second.pk, first.pk, marketer)
    assert set(Mail.objects.values_list("outcome", flat=True)) == {"queued"}
