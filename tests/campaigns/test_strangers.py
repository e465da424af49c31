"""What a recipient and a mail provider can do without signing in, and what they cannot."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns import happenings, links, receiving, sending
from campaigns.models import Mail, MailEvent, Suppression
from contacts.models import Contact
from tests.campaigns.conftest import MakeCampaign, MakeContact

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(make_contact: MakeContact, make_campaign: MakeCampaign, settings: Any) -> Mail:
    mail = sending.queue(make_campaign(), make_contact().pk, key="k")
    Mail.objects.update(outcome="sent", state="done", to="ana@example.com", provider_id="provider-1")
    return Mail.objects.get(pk=mail.pk)


def path(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def test_an_opened_mail_is_counted(client: Client, sent: Mail) -> None:
    url = path(links.open_url(sent.pk))
    for _ in range(2):
        assert client.get(url)["Content-Type"] == "image/gif"
    sent.refresh_from_db()
    assert sent.opens == 2 and sent.opened_at
    assert client.get(reverse("campaigns:opened", args=["nonsense"])).status_code == 200
    assert client.get(reverse("campaigns:opened", args=[links.token("unsubscribe", str(sent.pk))])).status_code == 200
    sent.refresh_from_db()
    assert sent.opens == 2


def test_asking_where_a_link_leads_is_not_clicking_it(client: Client, sent: Mail) -> None:
    """Link checkers of mail programs ask by HEAD."""
    target = "https://example.com/"
    assert client.head(path(links.click_url(sent.pk, target)))["Location"] == target
    assert client.head(path(links.open_url(sent.pk))).status_code == 200
    sent.refresh_from_db()
    assert (sent.clicks, sent.opens) == (0, 0) and not MailEvent.objects.exists()


def test_a_link_leads_only_where_it_led_when_it_was_sent(client: Client, sent: Mail) -> None:
    """No open redirect: another target, mail or purpose is not signed."""
    target = "https://example.com/a?b=1&c=ü"
    url = path(links.click_url(sent.pk, target))
    assert client.get(url)["Location"].startswith("https://example.com/a?b=1&c=")
    sent.refresh_from_db()
    assert sent.clicks == 1 and sent.opened_at
    assert MailEvent.objects.get().url == target
    raw = base64.urlsafe_b64decode(url.split("/")[-2] + "==")
    forged = base64.urlsafe_b64encode(raw.replace(b"example.com", b"evil.example")).decode().rstrip("=")
    for token in (forged, "evil.example", links.token("open", f"{sent.pk}:https://evil.example"), "AAAA", "ä"):
        assert client.get(reverse("campaigns:clicked", args=[token])).status_code == 404


def test_links_live_longer_than_the_secret_of_sessions(client: Client, sent: Mail, settings: Any) -> None:
    url = path(links.unsubscribe_url(sent.pk, sent.contact_id))
    settings.SECRET_KEY = "another"
    settings.FIELD_KEYS = ["YW5vdGhlci1rZXktMDEyMzQ1Njc4OTAxMjM0NTY3ODk=", *settings.FIELD_KEYS]
    assert client.get(url).status_code == 200


def test_looking_does_not_unsubscribe_and_one_click_does(client: Client, sent: Mail) -> None:
    """RFC 8058: mail scanners follow links, so only POST does it; without cookies and without a token of ours."""
    url = path(links.unsubscribe_url(sent.pk, sent.contact_id))
    page = client.get(url)
    assert "Unsubscribe from" in page.content.decode() and page["X-Robots-Tag"] == "noindex"
    assert not Suppression.objects.exists()
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post(url, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    assert Suppression.objects.get().reason == "unsubscribed"
    sent.refresh_from_db()
    assert sent.unsubscribed_at
    assert "You are unsubscribed" in client.get(url).content.decode()


def test_a_forged_link_unsubscribes_nobody(client: Client, sent: Mail) -> None:
    assert client.post(reverse("campaigns:unsubscribe", args=[links.token("open", str(sent.pk))])).status_code == 404
    assert client.post(reverse("campaigns:unsubscribe", args=["example"])).status_code == 200
    assert not Suppression.objects.exists()


def test_many_opens_leave_few_rows(client: Client, sent: Mail) -> None:
    for _ in range(happenings.MOST_ROWS + 5):
        happenings.record(sent, MailEvent.Kind.OPENED)
    sent.refresh_from_db()
    assert sent.opens == happenings.MOST_ROWS + 5
    assert MailEvent.objects.count() == happenings.MOST_ROWS


SECRET = "hook:secret"


def told(client: Client, *events: dict[str, Any], secret: str = SECRET, where: str = "sendgrid/tracking") -> int:
    """As SendGrid tells it."""
    basic = base64.b64encode(secret.encode()).decode()
    return client.post(
        f"/hooks/mail/{where}/",
        json.dumps(list(events)),
        content_type="application/json",
        headers={"Authorization": f"Basic {basic}"},
    ).status_code


@pytest.fixture
def hooks(settings: Any) -> None:
    settings.MAIL_WEBHOOK_SECRET = SECRET
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET}


def event(kind: str, sent: Mail, number: int = 1, **about: Any) -> dict[str, Any]:
    return {
        "event": kind,
        "email": "ana@example.com",
        "timestamp": 1795334400,
        "sg_event_id": f"e{number}",
        "sg_message_id": "sg-1",
        "smtp-id": f"<{sent.delivery_id}@mill.example>",
        "mail": str(sent.delivery_id),
        **about,
    }


def test_without_a_secret_there_is_no_such_address(client: Client, sent: Mail) -> None:
    assert told(client, event("bounce", sent)) == 404


def test_a_wrong_secret_or_provider_is_refused(client: Client, sent: Mail, hooks: None) -> None:
    assert told(client, event("bounce", sent, type="bounce"), secret="hook:wrong") == 400
    assert told(client, where="nobody/tracking") == 404
    assert not MailEvent.objects.exists()


def test_a_bounce_ends_the_mails_to_an_address(client: Client, sent: Mail, hooks: None) -> None:
    bounce = event("bounce", sent, type="bounce", reason="550 no such user", status="5.1.1")
    assert told(client, bounce, bounce) == 200
    assert told(client, bounce) == 200
    assert MailEvent.objects.filter(kind="bounced").count() == 1
    sent.refresh_from_db()
    assert sent.bounced_at and Suppression.objects.get().reason == "bounced"


def test_a_late_bounce_ends_the_mails_to_the_address_it_went_to(client: Client, sent: Mail, hooks: None) -> None:
    """Meanwhile somebody corrected the contact's address: that one is fine."""
    Contact.objects.update(email="anna@example.com", email_key="anna@example.com")
    assert told(client, event("bounce", sent, type="bounce", reason="550 no such user", status="5.1.1")) == 200
    assert [one.email_key for one in Suppression.objects.all()] == ["ana@example.com"]


def test_who_unsubscribes_does_so_for_the_address_the_mail_went_to_too(client: Client, sent: Mail) -> None:
    """Another contact may have that address by now, and its owner said no."""
    Contact.objects.update(email="anna@example.com", email_key="anna@example.com")
    assert client.post(path(links.unsubscribe_url(sent.pk, sent.contact_id))).status_code == 200
    assert {one.email_key for one in Suppression.objects.all()} == {"ana@example.com", "anna@example.com"}
    assert "You are unsubscribed" in client.get(path(links.unsubscribe_url(sent.pk, sent.contact_id))).content.decode()


def test_a_full_mailbox_does_not(client: Client, sent: Mail, hooks: None) -> None:
    assert told(client, event("deferred", sent, response="452 full"), event("delivered", sent, 2)) == 200
    assert set(MailEvent.objects.values_list("kind", flat=True)) == {"deferred", "delivered"}
    assert not Suppression.objects.exists()


def test_a_complaint_ends_them_too(client: Client, sent: Mail, hooks: None) -> None:
    assert told(client, event("spamreport", sent)) == 200
    assert Suppression.objects.get().reason == "complained"


def test_a_mail_is_found_by_its_own_message_id(client: Client, sent: Mail, hooks: None) -> None:
    unnamed = event("delivered", sent)
    del unnamed["mail"]
    assert told(client, unnamed) == 200
    sent.refresh_from_db()
    assert sent.delivered_at


@pytest.mark.parametrize("known_by", ["reference", "writer"])
def test_a_reply_is_counted_once(client: Client, sent: Mail, hooks: None, known_by: str) -> None:
    """By what it refers to; else by who wrote it, as some providers give mails ids of their own."""
    reference = f"In-Reply-To: <{sent.delivery_id}@mill.example>\r\n" if known_by == "reference" else ""
    writer = "other@example.com" if known_by == "reference" else "ana@example.com"
    raw = f"From: Ana <{writer}>\r\nMessage-ID: <r1@x>\r\n{reference}Subject: Re: Hello\r\n\r\nThanks"
    told = {"email": raw, "envelope": json.dumps({"from": writer, "to": ["hello@mill.example"]})}
    basic = base64.b64encode(SECRET.encode()).decode()
    for _ in range(2):
        answer = client.post("/hooks/mail/sendgrid/inbound/", told, headers={"Authorization": f"Basic {basic}"})
        assert answer.status_code == 200
    sent.refresh_from_db()
    assert sent.replied_at and MailEvent.objects.filter(kind="replied").count() == 1


def test_a_bounce_that_may_pass_keeps_the_address(client: Client, sent: Mail, hooks: None) -> None:
    """Postmark's soft bounce: Anymail calls it as it calls a hard one."""
    basic = {"Authorization": f"Basic {base64.b64encode(SECRET.encode()).decode()}"}
    soft = {"RecordType": "Bounce", "Type": "SoftBounce", "ID": 7, "Details": "452 mailbox full", "Email": sent.to}
    soft["Metadata"] = {"mail": str(sent.delivery_id)}
    for number, kind in enumerate(("SoftBounce", "HardBounce")):
        body = json.dumps(soft | {"Type": kind, "ID": number})
        answer = client.post("/hooks/mail/postmark/tracking/", body, content_type="application/json", headers=basic)
        assert answer.status_code == 200
        assert MailEvent.objects.filter(kind="bounced").count() == number + 1
        assert Suppression.objects.exists() == (kind == "HardBounce")


@pytest.mark.parametrize(
    "told",
    [
        {"event": "soft_bounce"},
        {"type": "activity.soft_bounced"},
        {"event": "bounce", "hard_bounce": False},
        {"msys": {"message_event": {"bounce_class": "22"}}},
    ],
)
def test_other_providers_tell_of_passing_bounces_in_their_own_words(told: dict[str, Any]) -> None:
    assert receiving._is_soft(told)
    assert not receiving._is_soft({"event": "hard_bounce", "type": "activity.hard_bounced", "hard_bounce": True})
    assert not receiving._is_soft("a form")
