"""`seed_demo`: the account the demo begins with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from connections import historical, setup
from connections.models import Connection, FieldMapping, Resource, SyncRun
from contacts.models import Contact, CustomField
from sandbox.stripe import Sandbox, serve
from sandbox.stripe import demo as demo_world
from tests.connections.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def demo_sandbox(settings: Any) -> Iterator[Sandbox]:
    with serve(demo_world.build()) as sandbox:
        settings.STRIPE_API_BASE = sandbox.base_url
        settings.SITE_URL = "http://127.0.0.1:9"
        settings.DEMO = True
        sandbox.hold()
        yield sandbox


def test_the_demo_begins_with_an_account_and_its_history(demo_sandbox: Sandbox) -> None:
    """Issue: about 300 customers with all five resources, already connected by webhook; twice equals once."""
    call_command("seed_demo")
    connection = Connection.objects.get()
    assert (connection.name, connection.state, connection.polls) == ("Northwind Studio", "active", False)
    assert set(connection.resources.values_list("kind", flat=True)) == set(Resource.Kind.values)
    assert list(SyncRun.objects.values_list("state", flat=True)) == ["queued"] * 5
    # The contacts come from these two; the other three take their time and are tried elsewhere.
    for run in SyncRun.objects.exclude(resource__kind__in=["customer", "subscription"]):
        historical.cancel(run)
    work()

    assert SyncRun.objects.filter(state="done").count() == 2
    assert 290 <= Contact.objects.count() <= 300
    assert set(CustomField.objects.values_list("label", flat=True)) == {
        "Plan",
        "Company",
        "Country",
        "Customer since",
    }
    for key in CustomField.objects.values_list("key", flat=True):
        assert Contact.objects.filter(custom__has_key=key).count() > 50

    call_command("seed_demo")
    assert (Connection.objects.count(), SyncRun.objects.count(), FieldMapping.objects.count()) == (1, 5, 5)


def test_what_the_user_did_to_it_stays(demo_sandbox: Sandbox) -> None:
    call_command("seed_demo")
    setup.remove_resource(Resource.objects.get(kind="charge"))
    call_command("seed_demo")
    assert Resource.objects.active().count() == 4
    setup.disconnect(Connection.objects.get())
    call_command("seed_demo")
    assert Connection.objects.get().state == "disconnected"


def test_only_in_the_demo(settings: Any, db: None) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="Only in the demo"):
        call_command("seed_demo")
