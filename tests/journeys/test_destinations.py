"""An admin adds a webhook in the browser, sends a test and sees that it arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from pytest_django import Settings

from automations.destinations import sending
from sandbox import webhook_receiver
from sandbox.webhook_receiver import Receiver
from users.models import User

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.DEMO = True
    with webhook_receiver.serve() as running:
        yield running


@pytest.mark.parametrize("javascript", [True, False])
def test_a_webhook_is_added_and_tried(
    open_page: Callable[..., Page], admin: User, receiver: Receiver, javascript: bool
) -> None:
    page = open_page(admin, "/settings/destinations/", javascript=javascript)
    page.get_by_role("link", name="Add webhook").click()
    page.get_by_label("Name").fill("Warehouse")
    page.get_by_label("Address").fill("https://10.0.0.1/hooks")
    page.get_by_role("button", name="Add webhook").click()
    page.get_by_text("Write the name of the host").first.wait_for()
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Add webhook").click()
    secret = page.get_by_label("Secret", exact=True).input_value()
    assert secret.startswith("whsec_")
    receiver.knows(secret)
    page.get_by_role("button", name="Send a test").click()
    page.get_by_text("It is about to be sent.").wait_for()
    sending.drain()
    if not javascript:
        page.reload()
    page.locator(".badge", has_text="Delivered").wait_for()
    assert [message.verified for message in receiver.messages()] == [1]
    page.get_by_role("button", name="Resend").click()
    page.get_by_text("sent again").first.wait_for()
