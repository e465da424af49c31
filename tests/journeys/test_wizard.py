"""The wizard in the browser: from a pasted key to a connected resource, with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connections import drafts, setup
from connections.models import Connection, Resource, SetupDraft
from connections.sources.stripe import events
from contacts.models import CustomField
from sandbox.stripe import Sandbox, SandboxAccount, serve
from users.models import User

pytest.importorskip("playwright")
from playwright.sync_api import expect

axe = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OpenPage = Callable[..., Any]
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def stripe(settings: Any) -> Iterator[Sandbox]:
    with serve() as sandbox:
        settings.STRIPE_API_BASE = sandbox.base_url
        sandbox.hold()
        yield sandbox


@pytest.fixture
def account(stripe: Sandbox) -> SandboxAccount:
    account = stripe.account("Northwind Studio", local_webhooks=True)
    ana = account.create_customer(
        email="ana.lopez@brightside.example",
        name="Ana María López García",
        phone="+34 91 496 0000",
        description="Brightside Ltd",
        metadata={"plan": "Pro"},
    )
    account.subscribe(ana["id"], amount=4900, currency="eur", product="Pro plan")
    return account


@pytest.fixture
def mapping(account: SandboxAccount) -> SetupDraft:
    """A draft of the account's subscriptions, before step 3."""
    draft = setup.draft_for(setup.connect(account.key))
    drafts.choose(draft, "subscription", "new_only", None, "all")
    return draft


def has_no_axe_findings(page: Any) -> None:
    options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    found = axe.Axe().run(page, options=options)
    assert not found.response["violations"], found.generate_report()


def keeps_inside(page: Any) -> None:
    """No sideways scroll of the page."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
@pytest.mark.parametrize("window", [WIDE, PHONE], ids=["1440", "390"])
def test_from_the_key_to_a_connected_resource(
    open_page: OpenPage, marketer: User, account: SandboxAccount, javascript: bool, window: dict[str, int]
) -> None:
    """A043 A044 A047 A053 A056 A059 A060 A063 E001 E004."""
    page = open_page(marketer, "/apps/stripe/", javascript=javascript, viewport=window)
    page.locator("main a[href='/apps/stripe/connect/']").first.click()
    page.get_by_label("Stripe secret key").fill(account.key)
    page.get_by_label("Allow access to this account").check()
    page.get_by_role("button", name="Connect", exact=True).click()
    page.wait_for_url("**/resource/")

    page.get_by_label("Choose resource").select_option("subscription")
    if not javascript:
        page.get_by_role("button", name="Show events").click()
    page.get_by_role("switch", name="Subscription paused").check()
    page.get_by_label("Sync type").select_option("history_and_new")
    keeps_inside(page)
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(re.compile(r"/map/"))

    expect(page.get_by_label("Stripe field of row 1")).to_have_value("email")
    expect(page.get_by_text("First “Ana” · Last “María López García”")).to_be_visible()
    page.get_by_role("button", name="Add field mapping").click()
    page.get_by_label("Stripe field of row 5").select_option("customer.metadata.plan")
    page.get_by_label("Contact field of row 4").select_option("")
    page.get_by_label("Contact field of row 5").select_option("phone")
    if not javascript:
        page.get_by_role("button", name="Update preview").click()
    page.locator("#preview dd", has_text="Pro").wait_for()
    # Back at once: the buttons wait until the row is gone, so the removal is not lost.
    page.get_by_role("button", name="Remove row 4").click()
    keeps_inside(page)

    page.get_by_role("button", name="Back").click()
    page.wait_for_url("**/resource/")
    expect(page.get_by_label("Choose resource")).to_have_value("subscription")
    expect(page.get_by_label("Sync type")).to_have_value("history_and_new")
    expect(page.get_by_role("switch", name="Subscription paused")).to_be_checked()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(re.compile(r"/map/"))
    page.get_by_role("button", name="Finish setup").click()
    page.get_by_text("Subscription is set up. Its history is being imported now.").wait_for()

    resource = Resource.objects.get()
    assert resource.mapping
    assert [row["to"] for row in resource.mapping.rows] == ["email", "name", "phone"]
    assert resource.events == [*events.defaults("subscription"), "customer.subscription.paused"]
    assert resource.connection.endpoint_id


def test_the_dialog_opens_over_the_page_and_escape_closes_it(
    open_page: OpenPage, marketer: User, account: SandboxAccount
) -> None:
    """A044: the focus goes to the field and comes back."""
    page = open_page(marketer, "/apps/stripe/")
    opener = page.locator("main a[href='/apps/stripe/connect/']").first
    opener.click()
    field = page.get_by_label("Stripe secret key")
    field.wait_for()
    assert page.url.endswith("/apps/stripe/")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("#layer dialog").wait_for(state="detached")
    expect(opener).to_be_focused()


def test_a_refused_key_leaves_the_dialog_open_with_the_reason(
    open_page: OpenPage, marketer: User, account: SandboxAccount
) -> None:
    """A046."""
    page = open_page(marketer, "/apps/stripe/")
    page.locator("main a[href='/apps/stripe/connect/']").first.click()
    page.get_by_label("Allow access to this account").check()
    without = ["rak_customer_read", "rak_customer_write"]
    refused = {
        "sk_live_wrong": "Stripe does not know this key",
        account.publishable_key(): "publishable key",
        "sk_org_live_12345": "organisation key",
        account.expired_key(): "has expired",
        account.restricted_key(without=without): "rak_customer_read",
    }
    for key, reason in refused.items():
        page.get_by_label("Stripe secret key").fill(key)
        page.get_by_role("button", name="Connect", exact=True).click()
        page.locator(".field-error", has_text=reason).wait_for()
        expect(page.get_by_label("Stripe secret key")).to_have_value("")
        expect(page.get_by_label("Allow access to this account")).to_be_checked()
    has_no_axe_findings(page)
    assert not Connection.objects.exists()


def test_choosing_a_resource_reloads_its_events(open_page: OpenPage, marketer: User, account: SandboxAccount) -> None:
    """A027 A049."""
    draft = setup.draft_for(setup.connect(account.key))
    page = open_page(marketer, f"/apps/stripe/setup/{draft.pk}/resource/")
    page.get_by_label("Choose resource").select_option("invoice")
    page.get_by_role("switch", name="Upcoming automatic payment").wait_for()
    page.get_by_label("Choose resource").select_option("charge")
    page.get_by_role("switch", name="Charge refunded").wait_for()
    expect(page.get_by_role("switch", name="Upcoming automatic payment")).to_have_count(0)
    page.get_by_role("button", name="Continue").click()
    page.locator(".field-error", has_text="Choose a sync type.").wait_for()
    expect(page.get_by_label("Choose resource")).to_have_value("charge")


def test_rows_and_preview_answer_while_the_focus_stays(
    open_page: OpenPage, marketer: User, mapping: SetupDraft
) -> None:
    """A054 A059: changing, adding, a field taken twice, removing; by keyboard alone."""
    CustomField.objects.create(key="company", label="Company", position=1)
    page = open_page(marketer, f"/apps/stripe/setup/{mapping.pk}/map/")
    source = page.get_by_label("Stripe field of row 4")
    source.focus()
    source.select_option("customer.description")
    page.locator("#row-4", has_text="Brightside Ltd").wait_for()
    expect(source).to_be_focused()

    target = page.get_by_label("Contact field of row 4")
    target.focus()
    target.select_option("field:company")
    page.locator("#preview dd", has_text="Brightside Ltd").wait_for()
    expect(target).to_be_focused()

    page.get_by_role("button", name="Add field mapping").press("Enter")
    added = page.get_by_label("Stripe field of row 5")
    added.wait_for()
    expect(page.locator("[name='row-5-source']")).to_be_focused()
    added.select_option("product.name")
    page.get_by_label("Contact field of row 5").select_option("field:company")
    page.locator("#row-4 .field-error").wait_for()
    expect(page.locator("#row-4")).to_contain_text("Company is already filled by “Product name”.")
    expect(page.locator("#row-5")).to_contain_text("Company is already filled by “Customer description”.")
    expect(page.locator("#problems")).to_have_text("1 problem to fix")
    expect(page.locator("#preview").get_by_text("Two sources")).to_have_count(1)
    page.get_by_role("button", name="Remove row 5").press("Enter")
    page.locator("#row-5").wait_for(state="detached")
    expect(page.locator("#add-row")).to_be_focused()
    expect(page.locator("#problems")).to_have_text("")


def test_the_limit_of_endpoints_is_explained_and_trying_again_saves(
    open_page: OpenPage, marketer: User, account: SandboxAccount, mapping: SetupDraft
) -> None:
    """A089 A090 A091 A092 A093."""
    from connections.sources.stripe.client import Client

    stripe_client = Client(account.key)
    others = [
        stripe_client.post("/v1/webhook_endpoints", url=f"https://other{n}.example/hook", enabled_events=["*"]).data
        for n in range(16)
    ]
    page = open_page(marketer, f"/apps/stripe/setup/{mapping.pk}/map/")
    page.get_by_label("Stripe field of row 4").select_option("customer.description")
    page.get_by_role("button", name="Finish setup").click()
    heading = page.get_by_role("heading", name="There was an error saving your connection")
    heading.wait_for()
    expect(page.locator("#refusal-title")).to_be_focused()
    expect(page.get_by_text("16 of 16")).to_be_visible()
    page.get_by_text("Show the 16 webhooks").click()
    expect(page.get_by_text("https://other7.example/hook")).to_be_visible()
    has_no_axe_findings(page)
    stripe_client.delete(f"/v1/webhook_endpoints/{others[3]['id']}")
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("Subscription is set up. New events are synced from now on.").wait_for()
    resource = Resource.objects.get()
    assert resource.mapping
    assert resource.mapping.rows[2]["from"] == ["customer.description"]


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_mapping_is_edited_later(
    open_page: OpenPage, marketer: User, mapping: SetupDraft, live_app: Any, javascript: bool
) -> None:
    """A074 A075 A076."""
    rows = [{"from": ["email"], "to": "email", "write": "always"}]
    choice = setup.Choice("subscription", "new_only", "all", events.defaults("subscription"), rows)
    resource = setup.add_resource(mapping.connection, choice)
    page = open_page(marketer, f"/apps/stripe/resources/{resource.pk}/mapping/", javascript=javascript)
    page.get_by_role("button", name="Add field mapping").click()
    page.get_by_label("Stripe field of row 3").select_option("customer.name")
    page.get_by_label("Contact field of row 3").select_option("name")
    page.get_by_role("switch", name="Subscription paused").check()
    page.get_by_role("button", name="Finish", exact=True).click()
    page.get_by_text("The mapping of Subscription is saved.").wait_for()
    resource.refresh_from_db()
    assert resource.mapping
    assert [row["to"] for row in resource.mapping.rows] == ["email", "name"]
    assert "customer.subscription.paused" in resource.events


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("window", [WIDE, PHONE], ids=["1440", "390"])
def test_every_step_passes_axe(
    open_page: OpenPage, marketer: User, mapping: SetupDraft, theme: str, window: dict[str, int]
) -> None:
    """ui.md 5, in both themes and widths."""
    here = f"/apps/stripe/setup/{mapping.pk}"
    for path in ("/apps/stripe/connect/", f"{here}/resource/", f"{here}/map/"):
        page = open_page(marketer, path, viewport=window, color_scheme=theme)
        has_no_axe_findings(page)
        keeps_inside(page)
