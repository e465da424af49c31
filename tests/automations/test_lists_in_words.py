"""Lists that say in words what stands in them ask the database as often for many as for one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from automations import lifecycle
from automations.destinations import queueing
from automations.destinations.models import Destination
from contacts.models import ContactList, CustomField
from segments.models import Segment
from tests.automations.conftest import having, on, step
from tests.automations.destinations import webhook
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert client.get(url).status_code == 200
    return len(asked)


def grows_not(client: Client, url: str, more: Callable[[], object]) -> None:
    for _ in range(2):
        more()
    queries(client, url)
    before = queries(client, url)
    for _ in range(5):
        more()
    assert queries(client, url) <= before


@pytest.fixture
def plan(db: None) -> CustomField:
    return CustomField.objects.create(key="plan", label="Plan")


def test_automations(staff_client: Client, plan: CustomField) -> None:
    numbers, vips = count(), ContactList.objects.create(name="VIPs")
    triggers = [on("list_joined", list=vips.pk), on("field_changed", field=plan.target, to="pro")]
    grows_not(
        staff_client,
        reverse("automations:list"),
        lambda: lifecycle.create(f"Automation {next(numbers)}", None, triggers=triggers),
    )


def test_the_flow_of_one(marketer_client: Client, plan: CustomField) -> None:
    vips = ContactList.objects.create(name="VIPs")
    made = lifecycle.create("Long", None, triggers=[on("list_joined", list=vips.pk)])
    numbers = count(1)

    def more() -> None:
        made.refresh_from_db()
        number = next(numbers)
        steps = [step("join_list", 2 * number, list=vips.pk), step("set_field", 2 * number + 1, field=plan.target)]
        lifecycle.save_draft(made.pk, made.revision, steps=[*made.steps, *steps])

    grows_not(marketer_client, made.get_absolute_url(), more)


def test_segments(staff_client: Client, plan: CustomField, staff: User) -> None:
    numbers, tree = count(), having(f"contact.{plan.target}", "is", "pro")
    grows_not(
        staff_client,
        reverse("segments:list"),
        lambda: Segment.objects.create(name=f"Segment {next(numbers)}", conditions=tree, created_by=staff),
    )


def test_destinations_count_what_waits_and_what_failed(marketer_client: Client) -> None:
    numbers = count()

    def more() -> None:
        made, _ = webhook("https://hooks.example.com/x", name=f"Shop {next(numbers)}")
        queueing.trial(made)

    grows_not(marketer_client, reverse("destinations:list"), more)
    one = Destination.objects.first()
    assert one
    one.deliveries.update(state="dead")
    page = marketer_client.get(reverse("destinations:list")).content.decode()
    assert f'<a href="{one.get_absolute_url()}?state=dead">1</a>' in page
