"""People in the browser: the first admin comes in, invites a colleague, who signs in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import PASSWORD
from users import accounts
from users.models import Role, User

pytest.importorskip("playwright")
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_first_admin_comes_in_and_invites_a_colleague(open_page: Callable[..., Any], javascript: bool) -> None:
    page = open_page(None, accounts.invite(None, "", Role.ADMIN), javascript=javascript)
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Name").fill("Ada Admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/contacts/")

    page.goto("/settings/")
    page.get_by_role("link", name="Users", exact=True).click()
    page.get_by_role("link", name="Invite user").click()
    page.get_by_label("Email").fill("sam@example.com")
    page.get_by_label("Role").select_option("marketer")
    page.get_by_role("button", name="Create invitation").click()
    link = page.get_by_label("Link", exact=True).input_value()

    colleague = open_page(None, link, javascript=javascript)
    colleague.get_by_label("Name").fill("Sam")
    colleague.get_by_label("Password").fill(PASSWORD)
    colleague.get_by_role("button", name="Create account").click()
    colleague.wait_for_url("**/contacts/")
    assert User.objects.get(email="sam@example.com").role == Role.MARKETER


def test_signing_in_leads_to_the_page_that_was_wanted(open_page: Callable[..., Any], staff: User) -> None:
    page = open_page(None, "/settings/profile/")
    page.get_by_label("Email").fill(staff.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/settings/profile/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sam Staff")


def test_who_sends_a_form_goes_on_at_its_first_mistake(open_page: Callable[..., Any], admin: User) -> None:
    """On a page, in a dialog, and beside a checkbox, whose long words the list of mistakes leaves out."""
    page = open_page(admin, "/settings/users/invite/")
    page.get_by_role("button", name="Create invitation").click()
    page.get_by_text("This field is required.").wait_for()
    expect(page.get_by_label("Email")).to_be_focused()

    page.goto("/settings/lists/")
    page.get_by_role("link", name="Create list").click()
    page.get_by_role("dialog").get_by_role("button", name="Create list").click()
    page.get_by_text("This field is required.").wait_for()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()

    page.goto("/apps/stripe/")
    page.get_by_role("link", name="Connect account").first.click()
    page.get_by_role("button", name="Connect", exact=True).click()
    page.get_by_role("link", name="Tick this box to allow access to the account.", exact=True).wait_for()
    page.get_by_label("Stripe secret key").fill("sk_test_not_much_of_a_key")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("checkbox")).to_be_focused()
