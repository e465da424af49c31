"""The sync log: filters, what stands behind a row, replay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common.due import State
from connections import payloads, setup
from connections.models import Connection, InboundEvent, Resource, SyncLogEntry
from contacts.models import Activity, Contact
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import ROWS, work
from tests.connections.night_checks import a_day_passes, checked
from users.models import AuditEntry

pytestmark = [pytest.mark.usefixtures("one_day"), pytest.mark.django_db(transaction=True)]

Connect = Callable[..., Resource]
Deliver = Callable[[], list[Any]]
LOG = "/apps/stripe/log/"


def text(client: Client, path: str, **headers: str) -> str:
    response = client.get(path, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def rows(client: Client, query: str = "") -> list[int]:
    """Primary keys of the rows shown, in their order."""
    response = client.get(f"{LOG}?{query}")
    assert response.status_code == 200
    return [line.entry.pk for line in response.context["lines"]]


def entry_of(**values: Any) -> SyncLogEntry:
    return SyncLogEntry.objects.get(**values)


@pytest.fixture
def many(account: SandboxAccount, live_hook: None, connect: Connect, deliver: Deliver) -> Resource:
    """Ada created and updated; a charge of nobody, skipped."""
    resource = connect("customer")
    connect("charge")
    ada = account.create_customer(email="ada@mill.example", name="Ada Miller")
    deliver()
    account.update_customer(ada["id"], phone="+49 30 901820")
    account.charge(amount=1200, currency="eur")
    deliver()
    return resource


def test_each_filter_leaves_its_rows(marketer_client: Client, many: Resource, stripe: Sandbox) -> None:
    """A068: result, event type, date, contact, account, resource, way in; and they combine."""
    created, updated = entry_of(result="created"), entry_of(result="updated")
    everything = rows(marketer_client)
    assert everything == sorted(everything, reverse=True) and len(everything) == 3
    assert rows(marketer_client, "result=updated") == [updated.pk]
    assert rows(marketer_client, "event_type=customer.created") == [created.pk]
    assert set(rows(marketer_client, "contact=ada")) == {created.pk, updated.pk}
    assert set(rows(marketer_client, f"contact={Contact.objects.get().pk}")) == {created.pk, updated.pk}
    assert rows(marketer_client, "contact=nobody") == []
    assert rows(marketer_client, "via=history") == []
    assert rows(marketer_client, "resource=charge&result=skipped") == [entry_of(result="skipped").pk]
    today, tomorrow = timezone.localdate(), timezone.localdate() + timedelta(days=1)
    assert rows(marketer_client, f"since={today}&until={today}") == everything
    assert rows(marketer_client, f"since={tomorrow}") == []
    assert rows(marketer_client, f"until={today - timedelta(days=1)}") == []
    other = setup.connect(stripe.account("second", local_webhooks=True).key)
    setup.add_resource(other, setup.default_choice("customer", "new_only", ROWS))
    assert rows(marketer_client, f"account={other.pk}") == []
    assert rows(marketer_client, f"account={many.connection_id}&result=created") == [created.pk]


def test_a_failed_row_shows_its_reason(marketer_client: Client, account: SandboxAccount, many: Resource) -> None:
    """A068: the error in the row itself; «Failed or set aside» finds it."""
    account.send_raw("not json")
    page = text(marketer_client, LOG + "?result=trouble")
    assert "The body is not JSON that can be read." in page and "Set aside" in page and "1 row<" in page


def test_an_odd_filter_is_explained_and_breaks_nothing(marketer_client: Client, many: Resource) -> None:
    page = text(marketer_client, LOG + "?since=yesterday&result=lucky&before=x&run=99999999999999999999")
    assert "Enter a valid date." in page
    assert text(marketer_client, LOG + "?contact=%00&event_type=%00")


def test_htmx_gets_the_rows_alone(marketer_client: Client, many: Resource) -> None:
    fragment = text(marketer_client, LOG + "?result=updated", **{"HX-Request": "true"})
    assert fragment.lstrip().startswith('<div id="log"') and "<html" not in fragment


def test_older_rows_follow_by_key(marketer_client: Client, many: Resource) -> None:
    """ui.md 4: logs by key, «Older», the filter kept."""
    shared = {"connection": many.connection, "via": "webhook", "result": "stale", "occurred_at": timezone.now()}
    SyncLogEntry.objects.bulk_create([SyncLogEntry(object_id=f"cus_{i}", **shared) for i in range(70)])
    first = marketer_client.get(f"{LOG}?result=stale")
    older = first.context["older"]
    assert len(first.context["lines"]) == 50 and f"result=stale&amp;before={older}" in first.content.decode()
    rest = rows(marketer_client, f"result=stale&before={older}")
    assert len(rest) == 20 and max(rest) < older


def test_the_log_counts_like_the_other_pages_of_the_app_and_has_their_head(
    marketer_client: Client, many: Resource
) -> None:
    shared = {"connection": many.connection, "via": "webhook", "result": "stale", "occurred_at": timezone.now()}
    SyncLogEntry.objects.bulk_create([SyncLogEntry(object_id=f"cus_{i}", **shared) for i in range(1500)])
    for path in ("/apps/stripe/", LOG, "/apps/stripe/log/waiting/", "/apps/stripe/webhooks/"):
        page = text(marketer_client, path)
        assert '<span class="count">1,503</span>' in page and "Connect another account" in page, path
    assert "<span>1,503 rows</span>" in text(marketer_client, LOG)
    assert "<span>1,500 rows</span>" in text(marketer_client, LOG + "?result=stale")


def test_an_entry_says_what_changed_and_which_row_wrote_it(marketer_client: Client, many: Resource) -> None:
    """Issue 1 point 9: payload, old -> new per field, mapping number and row, the contact, Stripe's own page."""
    entry = entry_of(result="updated")
    for headers in ({}, {"HX-Request": "true"}):
        page = text(marketer_client, entry.get_absolute_url(), **headers)
        assert "Mapping 1, row 3" in page and "<ins>+49 30 901820</ins>" in page and "Phone" in page
        assert Contact.objects.get().get_absolute_url() in page
        assert "&quot;previous_attributes&quot;" in page and entry.event_id in page
        assert f"dashboard.stripe.com/{entry.connection.account}/events/{entry.event_id}" in page
        assert ("<html" in page) == (not headers)


def test_a_skipped_record_leads_to_the_mapping(marketer_client: Client, many: Resource) -> None:
    """A062."""
    entry = entry_of(result="skipped")
    assert entry.reason == "the mapped email is empty"
    charge = Resource.objects.get(kind="charge")
    assert reverse("connections:edit-mapping", args=[charge.pk]) in text(marketer_client, entry.get_absolute_url())


def test_an_ignored_event_says_why_and_keeps_no_payload(marketer_client: Client, many: Resource) -> None:
    """A030."""
    entry = SyncLogEntry.objects.create(
        connection=many.connection,
        via="webhook",
        event_id="evt_1",
        event_type="payout.paid",
        result="ignored",
        reason="not supported",
        occurred_at=timezone.now(),
        inbound=InboundEvent.objects.create(
            connection=many.connection, event_id="evt_1", via="webhook", occurred_at=timezone.now(), state=State.IGNORED
        ),
    )
    page = text(marketer_client, entry.get_absolute_url())
    assert "not supported" in page and "keeps no payload" in page and "Replay</button>" not in page


@pytest.mark.parametrize(
    "body",
    ["<script>alert(1)</script>", "\ud83d".encode("utf-8", "surrogatepass"), '{"id": "\\ud83d\\u0000"}', "[" * 5000],
    ids=["markup", "half a character", "unstorable text", "too deep"],
)
def test_a_body_nobody_can_read_is_shown_as_text(marketer_client: Client, many: Resource, body: str | bytes) -> None:
    """Issue 1, bad input: kept, shown, escaped."""
    raw = body.encode() if isinstance(body, str) else body
    event = InboundEvent.objects.create(
        connection=many.connection,
        event_id="unreadable-1",
        via="webhook",
        occurred_at=timezone.now(),
        state=State.DEAD,
        body=raw,
    )
    entry = SyncLogEntry.objects.create(
        connection=many.connection,
        inbound=event,
        event_id=event.event_id,
        via="webhook",
        result="dead",
        occurred_at=timezone.now(),
    )
    page = text(marketer_client, entry.get_absolute_url())
    assert "<script>alert" not in page and 'aria-label="Payload"' in page
    assert "Unreadable delivery" in page


def test_payloads_tell_no_secrets() -> None:
    told = payloads.as_text(
        b'{"client_secret": "pi_1_secret_2", "note": "sk_live_abc", "nested": [{"secret": "whsec_1"}], "id": "pi_1"}'
    )
    assert "pi_1_secret_2" not in told and "sk_live_abc" not in told and "whsec_1" not in told
    assert '"id": "pi_1"' in told


def test_a_history_row_shows_the_object_as_held(
    marketer_client: Client, account: SandboxAccount, live_hook: None, connect: Connect, stripe: Sandbox
) -> None:
    account.create_customer(email="old@mill.example", name="Old Friend")
    stripe.discard()
    connect("customer", sync="history_and_new")
    work()
    entry = SyncLogEntry.objects.filter(via="history").latest("pk")
    page = text(marketer_client, entry.get_absolute_url())
    assert "Customer from history" in page and "as Millrace holds it now" in page and "old@mill.example" in page
    response = marketer_client.post(reverse("connections:replay", args=[entry.pk]), follow=True)
    assert "Import the history again" in response.content.decode()


def test_imports_and_checks_are_told_apart(
    marketer_client: Client, account: SandboxAccount, live_hook: None, connect: Connect, stripe: Sandbox
) -> None:
    """A068: both read lists; the way in tells which."""
    old = account.create_customer(email="old@mill.example", name="Old Friend")
    stripe.discard()
    resource = connect("customer", sync="history_and_new")
    work()
    a_day_passes()
    account.alter(old["id"], name="Older Friend")
    checked(resource.connection)
    imported, found = entry_of(run__kind="history"), entry_of(run__kind="check")
    assert rows(marketer_client, "via=history") == [imported.pk]
    assert rows(marketer_client, "via=check") == [found.pk]
    assert rows(marketer_client, "event_type=history") == [found.pk, imported.pk]


def test_a_replay_is_one_more_row_and_no_second_activity(marketer_client: Client, many: Resource) -> None:
    """The word is Replay: applied again, told under the first row, written down."""
    entry = entry_of(result="created")
    activities = Activity.objects.count()
    address = reverse("connections:replay", args=[entry.pk])
    fragment = marketer_client.post(address, headers={"HX-Request": "true"}).content.decode()
    assert "The replay is on its way" in fragment and "every 2s" in fragment and 'hx-swap-oob="true"' in fragment
    work()
    replayed = entry_of(via="replay")
    assert (replayed.event_id, replayed.replay) == (entry.event_id, 1)
    assert Activity.objects.count() == activities
    page = text(marketer_client, entry.get_absolute_url())
    assert "every 2s" not in page and "Replay 1</a>" in page
    assert "First time</a>" in text(marketer_client, replayed.get_absolute_url())
    assert AuditEntry.objects.get(action="replayed event").object_label == entry.event_id


def test_an_event_of_a_disconnected_account_is_not_replayed(marketer_client: Client, many: Resource) -> None:
    entry = entry_of(result="created")
    setup.disconnect(Connection.objects.get())
    response = marketer_client.post(reverse("connections:replay", args=[entry.pk]), follow=True)
    assert "Connect it again, then choose Replay" in response.content.decode()
    assert InboundEvent.objects.get(event_id=entry.event_id).replays == 0


def test_everything_a_filter_shows_is_replayed(marketer_client: Client, many: Resource) -> None:
    """Issue 1 point 9: asked first with the number; the others stay as they are."""
    address = reverse("connections:replay-selection") + "?event_type=customer.updated"
    assert "Replay 1 event" in text(marketer_client, address, **{"HX-Request": "true"})
    response = marketer_client.post(address)
    assert response.status_code == 302 and response["Location"] == f"{LOG}?event_type=customer.updated"
    assert dict(InboundEvent.objects.values_list("type", "replays"))["customer.updated"] == 1
    assert InboundEvent.objects.filter(replays=1).count() == 1
    entry = AuditEntry.objects.get(action="replayed events")
    assert entry.changes["filter"]["new"] == {"event_type": "customer.updated"}


def test_an_event_set_aside_can_be_dismissed(marketer_client: Client, account: SandboxAccount, many: Resource) -> None:
    """The row stays, the warning goes."""
    account.send_raw("not json")
    assert "is set aside" in text(marketer_client, "/apps/stripe/")
    entry = entry_of(result="dead")
    marketer_client.post(reverse("connections:dismiss", args=[entry.pk]))
    page = text(marketer_client, "/apps/stripe/")
    assert "is set aside" not in page and "count--attention" not in page
    assert entry.pk in rows(marketer_client, "result=dead")
