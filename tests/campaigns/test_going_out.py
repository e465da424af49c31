"""The pages a direct campaign goes out by: recipients, the question, what is shown while it goes and after."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns import direct
from campaigns.confirming import Question
from campaigns.models import Campaign, Mail, Sending, Suppression
from campaigns.suppressing import suppress
from contacts.models import ContactList
from segments.models import Segment
from tests.campaigns.conftest import MakeCampaign, MakeContact
from tests.campaigns.test_pages import WRITTEN
from users.models import AuditEntry, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def readers(make_contact: MakeContact) -> ContactList:
    """Five on a list: one unsubscribed, one without an address, one of test mode."""
    readers = ContactList.objects.create(name="Readers")
    for number in range(3):
        readers.contacts.add(make_contact(f"c{number}@example.com", f"Reader{number}"))
    readers.contacts.add(make_contact("", "Nobody"), make_contact("c9@example.com", "Tess", is_test=True))
    suppress("c2@example.com", Suppression.Reason.UNSUBSCRIBED)
    return readers


def conditions(name: str) -> dict[str, Any]:
    return {"match": "all", "items": [{"field": "contact.first_name", "operator": "is", "value": name}]}


def test_recipients_are_counted_and_asked_about(
    marketer_client: Client, make_campaign: MakeCampaign, make_contact: MakeContact, readers: ContactList
) -> None:
    """B039: lists and segments, each contact once; who wants none is left out and counted."""
    campaign = make_campaign(kind="direct")
    make_contact("jo@example.com", "Jo")
    segment = Segment.objects.create(name="All Jos", conditions=conditions("Jo"))
    chosen = {"lists": [readers.pk], "segments": [segment.pk], "to_test_contacts": "False"}
    counted = marketer_client.post(reverse("campaigns:count", args=[campaign.pk]), chosen).content.decode()
    assert ">3</strong> recipients" in counted and "of 5 chosen contacts" in counted and "1 want no mails" in counted
    response = marketer_client.post(reverse("campaigns:recipients", args=[campaign.pk]), chosen)
    assert response["Location"] == reverse("campaigns:send", args=[campaign.pk])
    assert "Send to 3 contacts" in marketer_client.get(response["Location"]).content.decode()
    empty = marketer_client.post(reverse("campaigns:recipients", args=[campaign.pk]), {"to_test_contacts": "False"})
    assert empty.status_code == 422


def test_what_cannot_be_sent_says_why(marketer_client: Client, make_campaign: MakeCampaign, settings: Any) -> None:
    campaign = make_campaign(kind="direct")
    url = reverse("campaigns:send", args=[campaign.pk])
    assert "Nobody would get this campaign" in marketer_client.post(url, {"when": "now"}).content.decode()
    settings.EMAIL_URL = ""
    response = marketer_client.post(url, {"when": "now"})
    assert response.status_code == 422 and "no way to send mail" in response.content.decode()
    assert not hasattr(Campaign.objects.get(), "sending")


def said_yes(client: Client, campaign: Campaign, **answer: str) -> Any:
    url = reverse("campaigns:send", args=[campaign.pk])
    return client.post(url, {"confirmed": str(client.get(url).context["question"]), **answer})


@pytest.mark.parametrize("meanwhile", ["content", "segment", "list", "number"])
def test_a_yes_is_a_yes_to_what_was_asked(
    marketer_client: Client,
    make_campaign: MakeCampaign,
    make_contact: MakeContact,
    readers: ContactList,
    meanwhile: str,
) -> None:
    campaign = make_campaign(kind="direct")
    campaign.lists.add(readers)
    segment = Segment.objects.create(name="All Jos", conditions=conditions("Jo"))
    campaign.segments.add(segment)
    url = reverse("campaigns:send", args=[campaign.pk])
    confirmed = str(marketer_client.get(url).context["question"])
    match meanwhile:
        case "content":
            marketer_client.post(reverse("campaigns:edit", args=[campaign.pk]), WRITTEN | {"html": "<p>Other</p>"})
        case "segment":
            Segment.objects.update(conditions=conditions("Reader0"))
        case "list":
            campaign.lists.add(ContactList.objects.create(name="Nobody"))
        case "number":
            readers.contacts.add(make_contact("new@example.com"))
    again = marketer_client.post(url, {"when": "now", "confirmed": confirmed})
    assert again.status_code == 409 and "Something changed since you were asked" in again.content.decode()
    assert not hasattr(Campaign.objects.get(), "sending")
    asked = str(again.context["question"])
    assert marketer_client.post(url, {"when": "now", "confirmed": asked}).status_code == 302


def test_what_is_changed_while_the_recipients_are_counted_is_asked_again(
    marketer_client: Client, make_campaign: MakeCampaign, readers: ContactList
) -> None:
    """The campaign is held only for the moment it is sent; whatever came before that moment counts."""
    campaign = make_campaign(kind="direct")
    campaign.lists.add(readers)
    url = reverse("campaigns:send", args=[campaign.pk])
    confirmed = str(marketer_client.get(url).context["question"])
    held: list[str] = []

    def change(execute: Any, sql: str, *about: Any) -> Any:
        if "FOR NO KEY UPDATE" in sql and not held:
            held.append(sql)
            Campaign.objects.update(html="<p>Other</p>", updated_at=timezone.now())
        return execute(sql, *about)

    with connection.execute_wrapper(change):
        answer = marketer_client.post(url, {"when": "now", "confirmed": confirmed}, follow=True)
    assert held and "so it was not sent" in answer.content.decode()
    assert not Sending.objects.exists()
    assert said_yes(marketer_client, campaign, when="now").status_code == 302


def test_who_writes_a_campaign_keeps_no_mail_from_being_made(
    marketer_client: Client, make_campaign: MakeCampaign, readers: ContactList
) -> None:
    """A whole row held would hold every row that names it; and nothing is counted while it is held."""
    campaign = make_campaign(kind="direct")
    campaign.lists.add(readers)
    with CaptureQueriesContext(connection) as asked:
        marketer_client.post(reverse("campaigns:edit", args=[campaign.pk]), WRITTEN)
        said_yes(marketer_client, campaign, when="now")
    said = [query["sql"] for query in asked]
    assert Sending.objects.exists() and not [sql for sql in said if "FOR UPDATE" in sql and "campaigns_c" in sql]
    held = max(place for place, sql in enumerate(said) if "FOR NO KEY UPDATE" in sql)
    assert not [sql for sql in said[held:] if "COUNT(" in sql]


def test_of_a_thousand_recipients_a_few_more_are_the_same_question() -> None:
    asked = Question("same", 1000)
    assert asked.is_meant_by("same.1000") and asked.is_meant_by("same.1010") and asked.is_meant_by("same.991")
    for other in ("same.1011", "same.989", "other.1000", "same.", "same", "", "same.x", "same." + "9" * 30):
        assert not asked.is_meant_by(other)


def test_the_list_costs_the_same_for_one_campaign_and_for_many(
    marketer_client: Client, make_campaign: MakeCampaign, marketer: User, django_assert_max_num_queries: Any
) -> None:
    made = [make_campaign(kind="direct", name=f"C{number}") for number in range(12)]
    now = timezone.now()
    Sending.objects.bulk_create(
        Sending(campaign=one, by=marketer, starts_at=now, finished_at=now, state="done", queued=3) for one in made
    )
    with django_assert_max_num_queries(12):
        page = marketer_client.get(reverse("campaigns:list")).content.decode()
    assert page.count(">Sent</span>") >= 12


def test_a_sent_campaign_stays_as_it_is(
    marketer_client: Client, make_campaign: MakeCampaign, readers: ContactList
) -> None:
    campaign = make_campaign(kind="direct")
    campaign.lists.add(readers)
    response = said_yes(marketer_client, campaign, when="now")
    assert response["Location"] == campaign.get_absolute_url()
    opened = marketer_client.get(reverse("campaigns:edit", args=[campaign.pk]), follow=True)
    assert "went out already" in opened.content.decode()
    # Who was writing meanwhile keeps the text, and may save it as another one.
    text = WRITTEN | {"kind": "direct", "html": "<p>Written for an hour</p>"}
    page = marketer_client.post(reverse("campaigns:edit", args=[campaign.pk]), text)
    assert page.status_code == 409 and "Written for an hour" in page.content.decode()
    assert f'formaction="{reverse("campaigns:create")}"' in page.content.decode()
    assert '<input type="hidden" name="kind" value="direct">' in page.content.decode()
    campaign.refresh_from_db()
    assert "Written" not in campaign.html
    # A second click, or Back and once more: no page that is missing, and it went out once.
    for name in ("send", "recipients"):
        for again in (marketer_client.get, marketer_client.post):
            answer = again(reverse(f"campaigns:{name}", args=[campaign.pk]), follow=True)
            assert answer.redirect_chain[-1][0] == campaign.get_absolute_url()
            assert "went out already" in answer.content.decode()
    assert Sending.objects.count() == 1


def test_a_scheduled_campaign_says_how_it_can_be_changed(
    marketer_client: Client, make_campaign: MakeCampaign, readers: ContactList
) -> None:
    campaign = make_campaign(kind="direct")
    campaign.lists.add(readers)
    said_yes(marketer_client, campaign, when="later", at="2099-01-01T10:00")
    entry = AuditEntry.objects.latest("pk")
    assert entry.action == "scheduled campaign" and entry.changes["starts"]["new"].startswith("2099-01-01T10:00")
    edit = reverse("campaigns:edit", args=[campaign.pk])
    for page in (edit, reverse("campaigns:recipients", args=[campaign.pk])):
        told = marketer_client.get(page, follow=True).content.decode()
        assert "This campaign is scheduled" in told and "Cancel it first" in told and "went out already" not in told
    page = marketer_client.post(edit, WRITTEN | {"kind": "direct"})
    assert page.status_code == 409 and "This campaign is scheduled" in page.content.decode()
    cancelled = marketer_client.post(reverse("campaigns:cancel", args=[campaign.pk]), follow=True).content.decode()
    assert "Nothing was sent. The campaign is a draft again." in cancelled
    assert marketer_client.get(edit).status_code == 200


def test_the_page_of_a_campaign_that_goes_out_keeps_up(
    marketer_client: Client, make_campaign: MakeCampaign, make_contact: MakeContact, readers: ContactList
) -> None:
    """It asks again while mails leave, and no longer."""
    campaign = make_campaign(kind="direct")
    campaign.lists.add(readers)
    address, moves = reverse("campaigns:progress", args=[campaign.pk]), 'hx-trigger="every'
    assert moves not in marketer_client.get(campaign.get_absolute_url()).content.decode()
    said_yes(marketer_client, campaign, when="now")
    page = marketer_client.get(campaign.get_absolute_url() + "?outcome=sent").content.decode()
    assert moves in page and f"{address}?outcome=sent" in page
    direct.drain()
    part = marketer_client.get(address, headers={"HX-Request": "true"})
    assert moves in part.content.decode() and "Waiting" in part.content.decode() and "HX-Trigger" not in part
    Mail.objects.update(outcome="sent", state="done", sent_at=timezone.now())
    part = marketer_client.get(address, headers={"HX-Request": "true"})
    assert moves not in part.content.decode() and "The campaign has ended: Sent." in part["HX-Trigger"]
    assert marketer_client.get(address)["Location"] == campaign.get_absolute_url()


def test_a_time_given_but_not_chosen_is_asked_about(
    marketer_client: Client, make_campaign: MakeCampaign, readers: ContactList
) -> None:
    """Whoever entered a time and left Now chosen does not mean now."""
    campaign = make_campaign(kind="direct")
    campaign.lists.add(readers)
    answer = said_yes(marketer_client, campaign, when="now", at="2099-01-01T10:00")
    assert answer.status_code == 422 and "Choose “At a time” to begin then" in answer.content.decode()
    assert not Sending.objects.exists()


def test_a_time_that_is_over_is_refused(marketer_client: Client, make_campaign: MakeCampaign, readers: Any) -> None:
    campaign = make_campaign(kind="direct")
    campaign.lists.add(readers)
    assert said_yes(marketer_client, campaign, when="later", at="2020-01-01T10:00").status_code == 422
    assert said_yes(marketer_client, campaign, when="later").status_code == 422
    said_yes(marketer_client, campaign, when="later", at="2099-01-01T10:00")
    assert "Scheduled" in marketer_client.get(campaign.get_absolute_url()).content.decode()
