"""The Stripe app page and the sync log in a browser: with and without script, in both themes, wide and narrow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from connections import historical, setup
from connections.models import Connection, InboundEvent, Resource, SyncLogEntry, SyncRun
from connections.setup import Choice
from connections.sources.stripe import events
from contacts.models import Contact
from sandbox.stripe import Sandbox, SandboxAccount, serve
from tests.connections.conftest import ROWS, work
from users.models import AuditEntry, User

pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = [pytest.mark.usefixtures("one_day"), pytest.mark.browser, pytest.mark.django_db(transaction=True)]

APP, LOG = "/apps/stripe/", "/apps/stripe/log/"
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
OpenPage = Callable[..., Any]


@pytest.fixture
def stripe(settings: Any) -> Iterator[Sandbox]:
    with serve() as sandbox:
        settings.STRIPE_API_BASE = sandbox.base_url
        sandbox.hold()
        yield sandbox


@pytest.fixture
def account(stripe: Sandbox, live_app: Any) -> SandboxAccount:
    return stripe.account("Northwind Studio", local_webhooks=True)


@pytest.fixture
def customer(account: SandboxAccount) -> Resource:
    """The account's Customer resource, connected."""
    return add(setup.connect(account.key), "customer")


def add(connection: Connection, kind: str, sync: str = "new_only") -> Resource:
    return setup.add_resource(connection, Choice(kind, sync, Resource.Data.ALL, events.defaults(kind), ROWS))


def arrive(stripe: Sandbox) -> None:
    """Deliver everything that waits and work it."""
    stripe.deliver()
    work()


# --- Apps ---


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_finding_stripe_among_the_apps(open_page: OpenPage, marketer: User, javascript: bool) -> None:
    """A040 A041 A042 A043."""
    page = open_page(marketer, "/settings/profile/", javascript=javascript)
    page.get_by_role("link", name="Apps", exact=True).first.click()
    page.get_by_role("searchbox", name="Search apps").fill("zzz")
    if not javascript:
        page.get_by_role("searchbox", name="Search apps").press("Enter")
    page.get_by_text("No app found").wait_for()
    page.get_by_role("searchbox", name="Search apps").fill("stri")
    if not javascript:
        page.get_by_role("searchbox", name="Search apps").press("Enter")
    page.get_by_role("link", name="Stripe", exact=True).click()
    page.wait_for_url("**" + APP)
    page.get_by_role("link", name="Connect account").wait_for()


# --- Disconnect and come back ---


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_an_admin_disconnects_a_resource_and_the_account_and_everything_stays(
    open_page: OpenPage, admin: User, stripe: Sandbox, account: SandboxAccount, customer: Resource, javascript: bool
) -> None:
    """A079 A082 A084 A085 A087 A088 E006: asked first, Cancel changes nothing; reconnecting meets the same people."""
    add(customer.connection, "charge")
    account.create_customer(email="ada@mill.example", name="Ada Miller")
    arrive(stripe)
    page = open_page(admin, APP, javascript=javascript)
    for answer in ("Cancel", "Remove"):
        page.get_by_role("link", name="Disconnect Charge").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("What stays").wait_for()
        dialog.get_by_role("button", name=answer).or_(dialog.get_by_role("link", name=answer)).click()
        page.get_by_role("heading", name="Stripe", exact=True).wait_for()
    page.get_by_text("Charge is disconnected").wait_for()
    assert [str(resource) for resource in Resource.objects.active()] == ["Customer"]

    page.get_by_role("link", name="Disconnect Northwind Studio").click()
    dialog = page.get_by_role("dialog", name="Disconnect account")
    dialog.get_by_role("button", name="Disconnect", exact=True).click()
    page.get_by_text("is disconnected. Everything synced before is still here.").wait_for()
    page.get_by_role("link", name="Connect account").wait_for()
    page.goto("/apps/connected/")
    page.get_by_text("No app is connected").wait_for()
    assert Contact.objects.get().tags.filter(name="stripe-integration").exists()

    add(setup.connect(account.key), "customer")
    account.update_customer(account.objects("customer")[0]["id"], phone="+49 30 901820")
    arrive(stripe)
    assert Contact.objects.get().phone == "+49 30 901820"
    page.goto("/apps/connected/")
    page.get_by_role("link", name="Stripe", exact=True).wait_for()


def test_a_dialog_gives_the_focus_back_and_a_wrong_key_is_told_inside(
    open_page: OpenPage, admin: User, account: SandboxAccount, customer: Resource
) -> None:
    page = open_page(admin, APP)
    opener = page.get_by_role("link", name="Disconnect Northwind Studio")
    opener.click()
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    expect(opener).to_be_focused()

    page.get_by_role("link", name="Replace key").click()
    dialog = page.get_by_role("dialog", name="Replace key of Northwind Studio")
    dialog.get_by_label("Secret key or restricted key").fill(account.publishable_key())
    dialog.get_by_role("button", name="Replace key").click()
    dialog.get_by_text("This is a publishable key").wait_for()
    dialog.get_by_label("Secret key or restricted key").fill(account.restricted_key())
    dialog.get_by_role("button", name="Replace key").click()
    page.get_by_text("The key of Northwind Studio is replaced.").wait_for()


# --- Progress and recent activity ---


def test_progress_and_activity_move_by_themselves(
    open_page: OpenPage, marketer: User, stripe: Sandbox, account: SandboxAccount, customer: Resource
) -> None:
    """E003: nobody loads the page again, and the end is Active, said aloud once."""
    account.grow(40)
    stripe.discard()
    historical.start(customer, until=setup.stripe_time(customer.connection))
    page = open_page(marketer, APP)
    page.get_by_text("Importing history").wait_for()
    page.evaluate("window.sameDocument = true")
    work()
    page.locator(f"#status-{customer.pk}").get_by_text("Active").wait_for()
    expect(page.locator("#live")).to_have_text("The import of Customer has ended: Done.")

    account.create_customer(email="ada@mill.example", name="Ada Miller")
    arrive(stripe)
    page.locator("#recent").get_by_text("Ada Miller").wait_for()
    page.locator(f"#facts-{customer.connection_id}").get_by_text("41 records").wait_for()
    assert page.evaluate("window.sameDocument")


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_marketer_pauses_and_resumes_an_import(
    open_page: OpenPage, marketer: User, stripe: Sandbox, account: SandboxAccount, customer: Resource, javascript: bool
) -> None:
    account.grow(20)
    stripe.discard()
    page = open_page(marketer, reverse("connections:resource", args=[customer.pk]), javascript=javascript)
    page.get_by_role("button", name="Import history").click()
    page.get_by_role("button", name="Pause import").click()
    page.get_by_role("button", name="Resume import").wait_for()
    work()
    assert SyncRun.objects.get().state == SyncRun.State.PAUSED
    page.get_by_role("button", name="Resume import").click()
    page.get_by_role("button", name="Pause import").wait_for()
    work()
    if not javascript:
        page.reload()
    page.get_by_role("button", name="Import history again").or_(
        page.locator("[id^=run-]").get_by_text("Done")
    ).first.wait_for()
    assert SyncRun.objects.get().state == SyncRun.State.DONE
    page.locator("[id^=run-]").get_by_text(re.compile("20 read")).wait_for()


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_events_are_switched(
    open_page: OpenPage, marketer: User, account: SandboxAccount, customer: Resource, javascript: bool
) -> None:
    """A028 A029."""
    page = open_page(marketer, reverse("connections:resource", args=[customer.pk]), javascript=javascript)
    page.get_by_label("Customer deleted").check()
    page.get_by_label("Customer data only").check()
    page.get_by_role("button", name="Save events and data").click()
    page.get_by_text("Customer is saved.").wait_for()
    customer.refresh_from_db()
    assert "customer.deleted" in customer.events and customer.data == "customer_only"
    expect(page.get_by_label("Customer deleted")).to_be_checked()


# --- The log ---


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_log_is_filtered_opened_and_replayed(
    open_page: OpenPage, marketer: User, stripe: Sandbox, account: SandboxAccount, customer: Resource, javascript: bool
) -> None:
    """A067 A068: filter, open in place, what changed and by which row, replay with its result."""
    ada = account.create_customer(email="ada@mill.example", name="Ada Miller")
    arrive(stripe)
    account.update_customer(ada["id"], phone="+49 30 901820")
    arrive(stripe)
    page = open_page(marketer, LOG, javascript=javascript)
    page.get_by_text("2 rows").wait_for()
    page.get_by_label("Result", exact=True).select_option("updated")
    if not javascript:
        page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_text("1 row", exact=True).wait_for()
    expect(page).to_have_url(re.compile("result=updated"))
    page.locator("summary").click()
    if not javascript:
        page.get_by_role("link", name="What came, and what it changed").click()
    page.get_by_text("Mapping 1, row 3").wait_for()
    expect(page.locator("ins")).to_contain_text("+49 30 901820")
    expect(page.get_by_role("region", name="Payload")).to_contain_text("previous_attributes")

    page.get_by_role("button", name="Replay", exact=True).click()
    page.locator("#messages").get_by_text("is applied again now").wait_for()
    page.get_by_text("The replay is on its way").wait_for()
    work()
    if not javascript:
        page.reload()
    page.get_by_role("link", name="Replay 1").wait_for()
    assert SyncLogEntry.objects.filter(via="replay").count() == 1
    assert AuditEntry.objects.get(action="replayed event").who == marketer.email

    page.goto(LOG + "?event_type=customer.created")
    page.get_by_role("link", name="Replay these").click()
    page.get_by_role("button", name="Replay 1 event").click()
    page.locator("#messages").get_by_text("1 event is applied again now.").wait_for()
    assert InboundEvent.objects.get(type="customer.created").replays == 1


# --- As pictures ---


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_can_be_used_by_everybody(
    open_page: OpenPage,
    admin: User,
    stripe: Sandbox,
    account: SandboxAccount,
    tmp_path: Path,
    theme: str,
    width: int,
) -> None:
    """ui.md 5: axe finds nothing on any page, and nothing scrolls sideways, also with much on it."""
    much_happened(stripe, account)
    page = open_page(admin, APP, color_scheme=theme, viewport={"width": width, "height": 900})
    for name, path in addresses().items():
        page.goto(path)
        if name == "webhooks":
            page.get_by_text(re.compile(r"\d of 16")).first.wait_for()
        if name == "log-open":
            page.locator("summary").first.click()
            page.locator(".log-detail dl").first.wait_for()
        page.screenshot(path=tmp_path / f"{name}-{theme}-{width}.png", full_page=True, animations="disabled")
        check(page, name)
    page.set_viewport_size({"width": 320, "height": 800})
    for path in addresses().values():
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways at 320 px"


def test_the_dialogs_can_be_used_by_everybody(
    open_page: OpenPage, admin: User, account: SandboxAccount, customer: Resource, tmp_path: Path
) -> None:
    page = open_page(admin, APP, reduced_motion="reduce")
    for name in ("Disconnect Customer", "Disconnect Northwind Studio", "Replace key"):
        page.get_by_role("link", name=name).click()
        page.get_by_role("dialog").wait_for()
        page.screenshot(path=tmp_path / f"{name}.png", animations="disabled")
        check(page, name)
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")


def check(page: Any, name: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options=RULES)
    assert found.violations_count == 0, f"{name}: {found.generate_report()}"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"


def addresses() -> dict[str, str]:
    resource = Resource.objects.active().get(kind="customer", connection__is_test=False)
    updated = SyncLogEntry.objects.filter(result="updated").latest("pk")
    return {
        "apps": "/apps/",
        "connected": "/apps/connected/",
        "app": APP,
        "resource": reverse("connections:resource", args=[resource.pk]),
        "log": LOG,
        "log-open": LOG + "?result=updated",
        "log-entry": reverse("connections:log-entry", args=[updated.pk]),
        "log-empty": LOG + "?result=stale",
        "waiting": reverse("connections:waiting"),
        "webhooks": reverse("connections:webhooks"),
        "endpoints": reverse("connections:endpoints", args=[resource.connection_id]),
        "disconnect": reverse("connections:disconnect", args=[resource.connection_id]),
        "replace-key": reverse("connections:replace-key", args=[resource.connection_id]),
    }


def much_happened(stripe: Sandbox, account: SandboxAccount) -> None:
    """Two accounts, imports that run and rest, a row of nearly every result, one set aside and one waiting."""
    connection = setup.connect(account.key)
    for kind in ("customer", "subscription", "charge"):
        add(connection, kind)
    invoice, _ = add(connection, "invoice", "history_and_new"), add(connection, "checkout_session")
    historical.pause(invoice.runs.get())
    second = setup.connect(stripe.account("A second account with a rather long name").test.key)
    add(second, "customer")
    ada = account.create_customer(email="ada.maria.lopez.garcia@brightside.example", name="Ana María López García")
    account.subscribe(ada["id"], amount=4900, currency="eur")
    arrive(stripe)
    account.update_customer(ada["id"], phone="+49 30 901820", name="Ana López")
    account.charge(amount=1200, currency="eur")
    arrive(stripe)
    account.send_raw("<b>this is no event</b>")
    historical.start(connection.resources.get(kind="customer"), until=setup.stripe_time(connection))
    account.create_customer(email="late@mill.example", name="Late Comer")
    stripe.deliver()
