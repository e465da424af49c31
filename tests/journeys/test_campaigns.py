"""A campaign in the browser: written with tags from the menu, looked at, tested, sent to a list and a segment."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from campaigns import direct, sending
from campaigns.models import Campaign, Mail, SentCopy
from contacts.models import ContactList
from segments.models import Segment
from tests.campaigns.conftest import MakeContact, make_contact  # noqa: F401  (fixture)
from tests.journeys.usable import assert_usable, look
from users.models import User

pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenPage = Callable[..., Any]
JOS = {"match": "all", "items": [{"field": "contact.first_name", "operator": "is", "value": "Jo"}]}


@pytest.fixture
def mailbox(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_URL = "campaigns.mailbox.EmailBackend", "mailbox://"


@pytest.fixture
def people(transactional_db: None, make_contact: MakeContact) -> None:  # noqa: F811
    readers = ContactList.objects.create(name="Readers")
    readers.contacts.add(make_contact(), make_contact("jo@example.com", "Jo"))
    make_contact("jo2@example.com", "Jo")
    Segment.objects.create(name="All Jos", conditions=JOS)


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_direct_campaign_from_nothing_to_the_mailbox(
    open_page: OpenPage, marketer: User, people: None, mailbox: None, javascript: bool
) -> None:
    """B039 to B043: tags by click, a refused tag, preview, test mail, recipients by list and segment, each once."""
    page = open_page(marketer, "/campaigns/", javascript=javascript)
    page.get_by_role("link", name="Create campaign").first.click()
    # What follows needs the page's scripts, which come after its fields.
    page.wait_for_url("**/campaigns/new/*")
    page.get_by_label("Name", exact=True).fill("Autumn news")
    page.get_by_label("Kind").select_option("direct")
    if javascript:
        # Before anything is saved: what a direct campaign cannot say is not offered.
        expect(page.locator("[data-tag-group]", has_text="Order")).to_have_count(0)
    page.get_by_label("Subject").fill("News for {{ contact.first_name }}")
    html = page.get_by_label("HTML")
    html.fill("<p>Dear ,</p><p>{{ recurring_payment.payment_amount }}</p>")
    if javascript:
        html.evaluate("field => { field.focus(); field.setSelectionRange(8, 8); }")
        page.get_by_label("Search tags").fill("first name")
        page.get_by_role("button", name="Insert First name").click()
        expect(html).to_have_value(re.compile("^<p>Dear {{ contact.first_name }},</p>"))
    page.get_by_role("button", name="Save campaign").click()
    page.locator("#id_html_error").get_by_text("Recurring payment tags cannot be used in a direct campaign").wait_for()
    look(page, f"campaign-refused-{javascript}")
    html.fill("<p>Dear {{ contact.first_name }},</p><p><a href='https://example.com/news'>the news</a></p>")
    page.get_by_label("As this contact").fill("jo@example.com")
    page.get_by_role("button", name="Show preview").click()
    page.frame_locator("iframe[name=preview-frame]").get_by_text("Dear Jo,").wait_for()
    look(page, f"campaign-editor-{javascript}")
    page.get_by_role("button", name="Save campaign").click()
    page.get_by_text("Campaign saved").wait_for()
    page.get_by_role("button", name="Send test mail to me").click()
    page.get_by_text("Test mail sent to marketer@example.com").wait_for()
    look(page, f"campaign-detail-{javascript}")

    page.get_by_role("link", name="Choose recipients").click()
    page.get_by_label("Readers").check()
    page.get_by_label("All Jos").check()
    if javascript:
        page.locator("#recipients-count").get_by_text("3 recipients").wait_for()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/send/")
    look(page, f"campaign-send-{javascript}")
    if javascript:
        page.get_by_label("Date and time").fill("2099-01-01T10:00")
        expect(page.get_by_label("At a time")).to_be_checked()
        page.get_by_label("Date and time").fill("")
        page.get_by_label("Now").check()
        # Half a date is no date for the browser. It is not taken for none.
        page.get_by_label("Date and time").press_sequentially("12")
        page.get_by_role("button", name="Send to 3 contacts").click()
        expect(page.get_by_label("Date and time")).to_be_focused()
        page.get_by_label("Date and time").fill("")
    page.get_by_role("button", name="Send to 3 contacts").click()
    page.get_by_text("The campaign is going out").wait_for()
    assert direct.drain() == 3 and sending.drain() == 3
    assert set(Mail.objects.values_list("outcome", flat=True)) == {"sent"}
    if javascript:
        expect(page.locator("#campaign-head")).to_contain_text("Sent")
        expect(page.locator("#results")).to_contain_text(re.compile(r"Sent\s*3"))
        page.locator("#mails").get_by_text("jo2@example.com").wait_for()

    page.goto("/mailbox/")
    expect(page.get_by_role("link", name="News for Jo")).to_have_count(2)
    page.get_by_role("link", name="News for Ana").last.click()
    page.frame_locator("iframe").get_by_text("Dear Ana,").wait_for()
    look(page, f"mailbox-mail-{javascript}")
    page.goto(Campaign.objects.get().get_absolute_url())
    page.get_by_text("jo2@example.com").wait_for()
    look(page, f"campaign-sent-{javascript}")


def test_a_recipient_clicks_and_leaves(open_page: OpenPage, marketer: User, people: None, mailbox: None) -> None:
    """The way out of a mail, as somebody who cannot sign in."""
    campaign = Campaign.objects.create(name="News", kind="direct", subject="News", html="<p>Hello</p>")
    campaign.lists.set(ContactList.objects.all())
    direct.send(campaign, marketer)
    direct.drain()
    sending.drain()
    headers = dict(SentCopy.objects.filter(to__contains="ana@example.com").get().headers)
    page = open_page(None, headers["List-Unsubscribe"].strip("<>"))
    page.get_by_role("button", name="Unsubscribe").click()
    page.get_by_text("You are unsubscribed").wait_for()
    look(page, "unsubscribed")
    mail = Mail.objects.get(contact__first_name="Ana")
    page = open_page(marketer, mail.contact.get_absolute_url())
    page.get_by_role("button", name="Subscribe again").click()
    page.get_by_text("The contact gets mails again").wait_for()


def test_a_mail_with_a_long_subject_on_a_phone(
    open_page: OpenPage, marketer: User, people: None, mailbox: None
) -> None:
    """The way back stands whole beside a subject that ends in dots; a short mail leaves no large gap below."""
    campaign = Campaign.objects.create(
        name="News", subject="News of the old mill by the river, and of all who lived in it", html="<p>Hello</p>"
    )
    ana = ContactList.objects.get().contacts.get(first_name="Ana")
    sending.queue(campaign, ana.pk, key="k")
    sending.drain()
    page = open_page(marketer, f"/mailbox/{SentCopy.objects.get().pk}/", viewport={"width": 390, "height": 900})
    here = page.locator(".breadcrumb [aria-current]")
    # A flex box would cut its words off, whatever it says of dots.
    assert here.evaluate("item => [getComputedStyle(item).display, getComputedStyle(item).textOverflow]") == [
        "block",
        "ellipsis",
    ]
    assert here.evaluate("item => item.scrollWidth > item.clientWidth")
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Mailbox").wait_for()
    body = page.frame_locator("iframe").locator("body")
    assert page.locator("iframe").bounding_box()["height"] - body.bounding_box()["height"] < 200


def test_pages_are_usable_by_everybody(open_page: OpenPage, admin: User, people: None, mailbox: None) -> None:
    """No findings of axe, no sideways scroll, whatever the names."""
    campaign = Campaign.objects.create(name="W" * 140, subject="{{ contact.first_name }} " + "W" * 250, html="<p>x</p>")
    ana = ContactList.objects.get().contacts.get(first_name="Ana")
    mail = sending.queue(campaign, ana.pk, key="k")
    sending.drain()
    copy = SentCopy.objects.get()
    page = open_page(admin, "/campaigns/")
    addresses = (
        "/campaigns/",
        f"/campaigns/{campaign.pk}/",
        f"/campaigns/{campaign.pk}/edit/",
        "/campaigns/new/",
        "/campaigns/tags/",
        f"/campaigns/mails/{mail.pk}/",
        "/mailbox/",
        f"/mailbox/{copy.pk}/",
        "/settings/email/",
        ana.get_absolute_url(),
    )
    for number, address in enumerate(addresses):
        page.goto(address)
        assert_usable(page, f"campaigns-{number}")
