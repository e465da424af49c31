"""Contacts put into an automation by a person, who is asked first; once, however often the button is pressed."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from automations import lifecycle, starting
from automations.models import Automation, Run
from contacts.models import Contact
from segments.models import Segment
from tests.automations.conftest import Make, having, on, person, step, worked
from users.models import AuditEntry, User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def welcome(automation: Make) -> Automation:
    return automation(on("started"), [step("add_tag", tag="welcomed")], name="Welcome")


@pytest.fixture
def germans(db: None) -> Segment:
    return Segment.objects.create(name="Germans", conditions=having("contact.email", "contains", ".de"))


def send(client: Client, automation: Automation, status: int, **data: str) -> str:
    response = client.post(reverse("automations:start", args=[automation.pk]), data)
    assert response.status_code == status, response.content.decode()[:2000]
    return response.content.decode()


def key_in(page: str) -> str:
    found = re.search(r'name="key" value="([0-9a-f-]{36})"', page)
    assert found
    return found[1]


def test_everybody_of_a_segment_after_the_question(
    marketer_client: Client, welcome: Automation, germans: Segment
) -> None:
    people = [person(f"p{number}@example.de") for number in range(3)]
    person("x@example.com")
    assert "Start for contacts" in marketer_client.get(welcome.get_absolute_url()).content.decode()
    asked = send(marketer_client, welcome, 200, segment=str(germans.pk))
    assert "3 contacts of the segment “Germans” enter now." in asked
    assert "Continue" in send(marketer_client, welcome, 200, segment=str(germans.pk), key=key_in(asked), back="1")
    assert not Run.objects.exists()
    send(marketer_client, welcome, 302, segment=str(germans.pk), key=key_in(asked))
    worked()
    assert {one.email for one in Contact.objects.filter(tags__name="welcomed")} == {one.email for one in people}
    assert AuditEntry.objects.filter(action="started automation by hand").count() == 1


def test_a_double_click_starts_once_and_asking_again_starts_anew(marketer_client: Client, welcome: Automation) -> None:
    ann = person("ann@example.com")
    key = key_in(send(marketer_client, welcome, 200, address=ann.email))
    for _ in range(2):
        send(marketer_client, welcome, 302, address=ann.email, key=key)
    assert Run.objects.count() == 1
    send(
        marketer_client,
        welcome,
        302,
        address=ann.email,
        key=key_in(send(marketer_client, welcome, 200, address=ann.email)),
    )
    assert Run.objects.count() == 2


def test_two_clicks_at_the_same_moment_start_once(welcome: Automation, marketer: User) -> None:
    """The database holds it: both come through every check."""
    person("ann@example.com")
    key = uuid4()

    def click(_: int) -> int:
        try:
            return starting.by_hand(welcome, Contact.objects.all(), marketer, key)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(click, range(4))) == [0, 0, 0, 1]


def test_what_is_wrong_is_said_beside_the_field(
    marketer_client: Client, automation: Make, welcome: Automation, germans: Segment
) -> None:
    """B050: who was in an automation that runs once is not offered again."""
    assert "Choose a contact or a segment." in send(marketer_client, welcome, 422)
    assert "No contact has this address." in send(marketer_client, welcome, 422, address="nobody@example.com")
    assert "Nobody would enter" in send(marketer_client, welcome, 422, segment=str(germans.pk))
    ann = person("ann@example.com", is_test=True)
    assert "belongs to test mode" in send(marketer_client, welcome, 422, address=ann.email)
    once = automation(on("started", once=True), [step("add_tag", tag="x")])
    bob = person("bob@example.com")
    send(marketer_client, once, 302, address=bob.email, key=str(uuid4()))
    assert "runs once for each contact" in send(marketer_client, once, 422, address=bob.email)


def test_only_active_automations_with_that_trigger(
    marketer_client: Client, automation: Make, welcome: Automation, marketer: User
) -> None:
    other = automation(on("contact_created"), [step("add_tag", tag="x")])
    ann = person("ann@example.com")
    send(marketer_client, other, 302, address=ann.email, key=str(uuid4()))
    lifecycle.pause(welcome.pk)
    welcome.refresh_from_db()
    assert "Start for contacts" not in marketer_client.get(welcome.get_absolute_url()).content.decode()
    assert starting.by_hand(welcome, Contact.objects.all(), marketer, UUID(int=1)) == 0
    assert not Run.objects.exists()


def test_from_the_page_of_a_contact(marketer_client: Client, staff_client: Client, welcome: Automation) -> None:
    ann = person("ann@example.com")
    url = reverse("automations:start-contact", args=[ann.pk])
    assert url in marketer_client.get(ann.get_absolute_url()).content.decode()
    assert url not in staff_client.get(ann.get_absolute_url()).content.decode()
    form = marketer_client.get(url).content.decode()
    assert marketer_client.post(url, {"key": key_in(form)}).status_code == 422
    for _ in range(2):
        answer = marketer_client.post(url, {"automation": welcome.pk, "key": key_in(form)}, follow=True)
    assert "did not enter" in answer.content.decode()
    worked()
    assert list(ann.tags.values_list("name", flat=True)) == ["welcomed"]
    assert "Started by" in marketer_client.get(ann.get_absolute_url()).content.decode()


def test_without_an_automation_to_start_it_says_what_to_do(marketer_client: Client) -> None:
    ann = person("ann@example.com")
    assert "Start automation…" not in marketer_client.get(ann.get_absolute_url()).content.decode()
    page = marketer_client.get(reverse("automations:start-contact", args=[ann.pk])).content.decode()
    assert "No active automation can be started by hand yet." in page
