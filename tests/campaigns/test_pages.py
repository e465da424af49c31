"""The pages of campaigns, as their people use them."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core import mail as outbox
from django.test import Client
from django.urls import reverse

from campaigns import sending
from campaigns.addressees import Addressee, in_header
from campaigns.models import Campaign, DeliverySettings, Mail, SentCopy, Suppression
from contacts.models import Contact
from tests.campaigns.conftest import MakeCampaign, MakeContact
from tests.campaigns.smtp import MailServer
from users.models import AuditEntry, User

pytestmark = pytest.mark.django_db

WRITTEN = {
    "name": "Reminder",
    "kind": "automated",
    "subject": "Hello {{ contact.first_name }}",
    "html": "<p>Due {{ recurring_payment.next_payment_date }}</p>",
    "tracks_opens": "on",
    "tracks_clicks": "on",
}


def test_a_campaign_is_written_changed_and_duplicated(marketer_client: Client) -> None:
    response = marketer_client.post(reverse("campaigns:create"), WRITTEN)
    campaign = Campaign.objects.get()
    assert response["Location"] == campaign.get_absolute_url()
    changed = WRITTEN | {"name": "Gentle reminder", "tracks_opens": ""}
    marketer_client.post(reverse("campaigns:edit", args=[campaign.pk]), changed)
    campaign.refresh_from_db()
    assert (campaign.name, campaign.tracks_opens) == ("Gentle reminder", False)
    marketer_client.post(reverse("campaigns:duplicate", args=[campaign.pk]))
    copy = Campaign.objects.exclude(pk=campaign.pk).get()
    assert (copy.name, copy.html) == ("Copy of Gentle reminder", campaign.html)
    assert AuditEntry.objects.filter(action__contains="campaign").count() == 3


def test_an_unknown_tag_is_refused_with_its_place(marketer_client: Client) -> None:
    """B042: told beside the field, with line and column; nothing is saved."""
    response = marketer_client.post(reverse("campaigns:create"), WRITTEN | {"html": "Dear\n {{ contact.nmae }}"})
    assert response.status_code == 422
    assert "Line 2, column 5: There is no tag “contact.nmae”." in response.content.decode()
    assert not Campaign.objects.exists()


def test_a_direct_campaign_with_a_recurring_payment_tag_is_refused(marketer_client: Client) -> None:
    """B043: with the reason."""
    response = marketer_client.post(reverse("campaigns:create"), WRITTEN | {"kind": "direct"})
    assert response.status_code == 422
    assert "Recurring payment tags cannot be used in a direct campaign" in response.content.decode()


def test_the_menu_lists_recurring_payment_tags_only_where_they_work(marketer_client: Client) -> None:
    """B040."""
    automated = marketer_client.get(reverse("campaigns:create")).content.decode()
    direct = marketer_client.get(reverse("campaigns:create") + "?kind=direct").content.decode()
    assert "{{ recurring_payment.next_payment_date }}" in automated
    assert "{{ recurring_payment.next_payment_date }}" not in direct and "{{ contact.first_name }}" in direct


def test_the_help_page_lists_tags_with_their_sources(staff_client: Client) -> None:
    """B044: Stripe included."""
    page = staff_client.get(reverse("campaigns:tags")).content.decode()
    assert "{{ recurring_payment.payment_amount }}" in page and "WooCommerce" in page
    only_stripe = staff_client.get(reverse("campaigns:tags") + "?source=paypal").content.decode()
    assert "{{ recurring_payment.plan_name }}" in page and "{{ recurring_payment.plan_name }}" not in only_stripe


def test_a_preview_shows_the_contacts_own_values(
    staff_client: Client, make_contact: MakeContact, make_campaign: MakeCampaign, make_payment: Any
) -> None:
    """B040, B041. Alone in a frame that runs nothing."""
    campaign = make_campaign(html="<script>x</script><p>Due {{ recurring_payment.next_payment_date }}</p>")
    make_payment(make_contact(), 3)
    url = reverse("campaigns:frame", args=[campaign.pk])
    response = staff_client.get(url + "?contact=ana@example.com")
    assert "Due Dec 3, 2026" in response.content.decode() and "<script" not in response.content.decode()
    policy = response["Content-Security-Policy"]
    assert "sandbox" in policy and "default-src 'none'" in policy and "script-src" not in policy
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert "Due Dec 1, 2026" in staff_client.get(url).content.decode()
    assert "No contact has the address" in staff_client.get(url + "?contact=x@example.com").content.decode()


def test_a_draft_is_previewed_without_saving(marketer_client: Client, make_contact: MakeContact) -> None:
    make_contact("jo@example.com", "Jo")
    content = WRITTEN | {"html": "<b>Hi {{ contact.first_name }}</b>", "as_contact": "jo@example.com"}
    assert "<b>Hi Jo</b>" in marketer_client.post(reverse("campaigns:draft-frame"), content).content.decode()
    broken = marketer_client.post(reverse("campaigns:draft-frame"), content | {"html": "{% if %}"}).content.decode()
    assert "Line 1" in broken
    assert not Campaign.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_test_mail_goes_to_oneself(
    marketer_client: Client, mail_server: MailServer, make_contact: MakeContact, make_campaign: MakeCampaign
) -> None:
    campaign, contact = make_campaign(), make_contact()
    url = reverse("campaigns:test-mail", args=[campaign.pk])
    marketer_client.post(url, {"contact": contact.email})
    (received,) = mail_server.received
    assert received.recipients == ["marketer@example.com"]
    assert received.message["Subject"] == "[Test] Hello Ana"
    assert not Mail.objects.exists()
    mail_server.fault = lambda step, argument: "550 no" if step == "rcpt" else "go on"
    mail_server.fault = _refuse
    page = marketer_client.post(url, follow=True).content.decode()
    assert "The test mail was not sent" in page and "550" in page


def _refuse(step: str, argument: str) -> str:
    from tests.campaigns.smtp import GO_ON

    return "550 no such user" if step == "rcpt" else GO_ON


@pytest.mark.django_db(transaction=True)
def test_an_unknown_mail_is_shown_with_resend(
    marketer_client: Client, make_campaign: MakeCampaign, make_contact: MakeContact
) -> None:
    """2.8: unknown is not sent by itself; a person may, once."""
    mail = sending.queue(make_campaign(), make_contact().pk, key="k")
    Mail.objects.update(outcome="unknown", state="done")
    page = marketer_client.get(reverse("campaigns:mail", args=[mail.pk])).content.decode()
    assert "Nobody knows whether this mail went out" in page and "Resend mail" in page
    for _ in range(2):
        marketer_client.post(reverse("campaigns:resend", args=[mail.pk]))
    assert Mail.objects.filter(resend_of=mail).count() == 1
    sending.drain()
    assert [one.subject for one in outbox.outbox] == ["Hello Ana"]


def test_a_contact_shows_its_mails_and_whether_it_wants_any(
    marketer_client: Client, make_campaign: MakeCampaign, make_contact: MakeContact
) -> None:
    contact = make_contact()
    sending.queue(make_campaign(), contact.pk, key="k")
    Mail.objects.update(outcome="sent", subject="Hello Ana", opens=2, clicks=1)
    page = marketer_client.get(contact.get_absolute_url()).content.decode()
    assert "Hello Ana" in page and "2 opens" in page and "1 click" in page
    marketer_client.post(reverse("campaigns:unsubscribe-contact", args=[contact.pk]))
    assert "Subscribe again" in marketer_client.get(contact.get_absolute_url()).content.decode()
    marketer_client.post(reverse("campaigns:subscribe", args=[contact.pk]))
    assert not Suppression.objects.exists()
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {
        "unsubscribed contact",
        "subscribed contact again",
    }


def test_the_mailbox_is_there_only_where_mails_go_into_it(
    staff_client: Client, settings: Any, make_contact: MakeContact, make_campaign: MakeCampaign
) -> None:
    url = reverse("campaigns:mailbox")
    assert staff_client.get(url).status_code == 404
    settings.EMAIL_BACKEND, settings.EMAIL_URL = "campaigns.mailbox.EmailBackend", "mailbox://"
    sending.queue(make_campaign(), make_contact().pk, key="k")
    sending.drain()
    copy = SentCopy.objects.get()
    assert copy.was_sent and copy.mail is not None and copy.to == '"Ana" <ana@example.com>'
    assert "Hello Ana" in staff_client.get(url).content.decode()
    page = staff_client.get(reverse("campaigns:mailbox-mail", args=[copy.pk])).content.decode()
    assert "List-Unsubscribe-Post" in page
    framed = staff_client.get(reverse("campaigns:copy-frame", args=[copy.pk]))
    assert "Hello Ana" in framed.content.decode() and "sandbox" in framed["Content-Security-Policy"]
    # Looking at it here is not opening it.
    assert "/mail/o/" in copy.html and "/mail/o/" not in framed.content.decode()
    # Nor does a link in it count: it is the one that was written.
    assert "/mail/c/" in copy.html and "/mail/c/" not in framed.content.decode()
    assert 'href="https://example.com/a?b=1&amp;c=2"' in framed.content.decode()


def test_the_mailbox_tells_names_and_addresses_as_people_read_them(
    staff_client: Client, settings: Any, make_contact: MakeContact, make_campaign: MakeCampaign
) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_URL = "campaigns.mailbox.EmailBackend", "mailbox://"
    DeliverySettings.objects.create(pk=1, from_name="The Mill", from_address="hello@mill.example")
    sending.queue(make_campaign(), make_contact("ana@example.com", 'López, "Ana"').pk, key="k")
    sending.drain()
    copy = SentCopy.objects.get()
    for name, args in (("mailbox", []), ("mailbox-mail", [copy.pk])):
        answer = staff_client.get(reverse(f"campaigns:{name}", args=args)).content.decode()
        page = answer.partition('<h2 id="headers')[0].replace("<wbr>", "")
        assert "López, &quot;Ana&quot;</bdi>" in page and ">ana@example.com<" in page
        assert "&lt;ana@example.com&gt;" not in page and "&lt;hello@mill.example&gt;" not in page
    assert ">The Mill</bdi> (<bdi" in page and ">hello@mill.example<" in page
    assert [one.address for one in in_header("a@example.com, Bo <b@example.com>")] == ["a@example.com", "b@example.com"]
    assert in_header("") == [Addressee("", "")]


@pytest.mark.parametrize(
    ("html", "room"),
    [
        ("<p>Hello Ana,</p><p>thank you.</p>", "short"),
        ("<p>Hello</p>" + "<p>A word to you.</p>" * 3, "medium"),
        (f"<p>{'A long story. ' * 100}</p>", "tall"),
        ('<p>Hello</p><img src="https://example.com/tree.png" alt="">', "tall"),
    ],
)
def test_a_mail_has_the_room_it_needs(
    staff_client: Client, settings: Any, make_contact: MakeContact, make_campaign: MakeCampaign, html: str, room: str
) -> None:
    """The picture that counts opens is none, nor does a long address make a mail long."""
    settings.EMAIL_BACKEND, settings.EMAIL_URL = "campaigns.mailbox.EmailBackend", "mailbox://"
    sending.queue(make_campaign(html=html, tracks_opens=True, tracks_clicks=True), make_contact().pk, key="k")
    sending.drain()
    copy = SentCopy.objects.get()
    for url in (reverse("campaigns:mailbox-mail", args=[copy.pk]), reverse("campaigns:mail", args=[copy.mail_id])):
        assert f"mail-frame--{room}" in staff_client.get(url).content.decode()


def test_account_mail_in_the_mailbox_is_for_admins(
    staff: User, staff_client: Client, marketer_client: Client, admin: User, admin_client: Client, settings: Any
) -> None:
    """Who reads an admin's link to a new password becomes an admin. Everybody sees what was sent to themselves."""
    settings.EMAIL_BACKEND, settings.EMAIL_URL = "campaigns.mailbox.EmailBackend", "mailbox://"
    outbox.send_mail("Set a new password", "link-of-the-admin", None, [admin.email])
    outbox.send_mail("Only for Sam", "text", None, [f"Sam <{staff.email}>"])
    outbox.send_mail("Not for Sam", "text", None, [f'"x <{staff.email}>" <{admin.email}>'])
    copies = {copy.subject: copy.pk for copy in SentCopy.objects.all()}
    for client, seen in ((staff_client, {"Only for Sam"}), (marketer_client, set()), (admin_client, set(copies))):
        listed = client.get(reverse("campaigns:mailbox")).content.decode()
        for subject, pk in copies.items():
            assert (subject in listed) == (subject in seen)
            for name in ("mailbox-mail", "copy-frame"):
                answer = client.get(reverse(f"campaigns:{name}", args=[pk]))
                assert answer.status_code == (200 if subject in seen else 404)


@pytest.mark.parametrize(
    ("url", "backend", "words"),
    [
        ("", "django.core.mail.backends.console.EmailBackend", "Nobody yet, so no mail can leave."),
        ("mailbox://", "campaigns.mailbox.EmailBackend", "Nobody. This demo keeps every mail in its mailbox"),
        ("smtp://x", "django.core.mail.backends.smtp.EmailBackend", "The mail server mail.example, port 587"),
        ("anymail+postmark://x@", "anymail.backends.postmark.EmailBackend", "<dd>Postmark</dd>"),
        (
            "consolemail://",
            "django.core.mail.backends.console.EmailBackend",
            "only written down on the server (console)",
        ),
    ],
)
def test_who_sends_mails_is_told_in_plain_words(
    admin_client: Client, settings: Any, url: str, backend: str, words: str
) -> None:
    settings.EMAIL_URL, settings.EMAIL_BACKEND = url, backend
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_HOST_PASSWORD = "mail.example", 587, "hush-hush"
    settings.MAIL_WEBHOOK_SECRET = ""
    page = admin_client.get(reverse("campaigns:delivery")).content.decode()
    assert words in page and "Not reported to Millrace yet." in page
    settings.MAIL_WEBHOOK_SECRET = "millrace:hush-hush"
    page = admin_client.get(reverse("campaigns:delivery")).content.decode()
    assert f"{settings.SITE_URL}/hooks/mail/provider/tracking/" in page and "/hooks/mail/provider/inbound/" in page
    assert "hush-hush" not in page


def test_delivery_settings_stand_in_every_mail(
    admin_client: Client, make_contact: MakeContact, make_campaign: MakeCampaign
) -> None:
    values = {
        "from_name": "The Mill\r\nBcc: x@y.example",
        "from_address": "hello@mill.example",
        "postal_address": "Mill Lane 1",
    }
    assert admin_client.post(reverse("campaigns:delivery"), values).status_code == 302
    assert DeliverySettings.objects.get().from_name == "The Mill Bcc: x@y.example"
    sending.queue(make_campaign(), make_contact().pk, key="k")
    sending.drain()
    (message,) = outbox.outbox
    assert message.from_email == '"The Mill Bcc: x@y.example" <hello@mill.example>'
    assert "Mill Lane 1" in message.body and "hello@mill.example" not in django_settings.DEFAULT_FROM_EMAIL
    assert admin_client.post(reverse("campaigns:delivery"), {"from_address": "no"}).status_code == 422


def test_hostile_names_are_text_on_every_page(
    staff_client: Client, make_campaign: MakeCampaign, make_contact: MakeContact
) -> None:
    """Row 79."""
    bad = "<script>alert(1)</script>"
    campaign = make_campaign(name=bad, subject=bad)
    contact = make_contact(first_name=bad)
    mail = sending.queue(campaign, contact.pk, key="k")
    Mail.objects.update(subject=bad, outcome="failed", last_error=bad)
    for url in (reverse("campaigns:list"), campaign.get_absolute_url(), reverse("campaigns:mail", args=[mail.pk])):
        assert bad not in staff_client.get(url).content.decode()
    assert Contact.objects.get().first_name == bad


def test_the_second_of_two_editors_hears_of_the_first(marketer_client: Client, make_campaign: MakeCampaign) -> None:
    """What was typed is still there, and saving again puts it in place of the other's."""
    campaign = make_campaign()
    url = reverse("campaigns:edit", args=[campaign.pk])
    seen = str(marketer_client.get(url).context["form"]["seen"].value())
    assert marketer_client.post(url, WRITTEN | {"name": "First", "seen": seen}).status_code == 302
    second = marketer_client.post(url, WRITTEN | {"name": "Second", "subject": "Mine", "seen": seen})
    assert second.status_code == 422
    page = second.content.decode()
    assert "Somebody else changed this meanwhile" in page and 'value="Mine"' in page
    campaign.refresh_from_db()
    assert campaign.name == "First"
    again = str(second.context["form"]["seen"].value())
    assert marketer_client.post(url, WRITTEN | {"name": "Second", "seen": again}).status_code == 302
    campaign.refresh_from_db()
    assert campaign.name == "Second"
