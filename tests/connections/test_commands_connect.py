"""`connect FILE.toml`, `--prune` and `--export`: contract.md, “Setup file”, against the sandbox over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from common.encryption import fingerprint
from connections.models import Connection, FieldMapping, Resource, SyncRun
from contacts import custom_fields
from contacts.models import Contact, CustomField
from sandbox.stripe import Sandbox, SandboxAccount
from tests.connections.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)

Lines = list[dict[str, Any]]
Run = Callable[..., Lines]
KEYS = ["connection", "account", "resource", "action", "message"]
PUBLIC = "https://crm.mill.example"

HEAD = """
[[connection]]
source = "stripe"
name = "Main shop"
key_env = "STRIPE_KEY"
"""
CUSTOMER = """
[[connection.resource]]
kind = "customer"
sync = "new_only"

[[connection.resource.map]]
from = "name"
to = "name"
[[connection.resource.map]]
from = "email"
to = "email"
"""
CHARGE = """
[[connection.resource]]
kind = "charge"
sync = "history_and_new"
data = "customer_only"
events = ["charge.succeeded"]
map = [
    { from = "email", to = "email" },
    { from = ["customer.phone", "billing_details.phone"], to = "phone", write = "if_empty" },
]
"""


class Refusal(Exception):
    """The command ended with status 1: `lines` is what it printed, the text what it said at the end."""

    def __init__(self, lines: Lines, words: str) -> None:
        super().__init__(words)
        self.lines = lines

    @property
    def messages(self) -> str:
        return "\n".join(line["message"] for line in self.lines)


@pytest.fixture
def run(tmp_path: Path, account: SandboxAccount, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """run(text, *options): the printed lines; Refusal if the command fails. STRIPE_KEY opens `account`."""
    settings.SITE_URL = PUBLIC
    monkeypatch.setenv("STRIPE_KEY", account.key)

    def command(text: str, *options: str) -> Lines:
        file, out = tmp_path / "setup.toml", StringIO()
        file.write_text(text)
        try:
            call_command("connect", str(file), *options, stdout=out)
        except CommandError as error:
            raise Refusal([json.loads(line) for line in out.getvalue().splitlines()], str(error)) from None
        return [json.loads(line) for line in out.getvalue().splitlines()]

    return command


def actions(lines: Lines) -> list[tuple[str | None, str]]:
    return [(line["resource"], line["action"]) for line in lines]


def test_a_file_connects_and_the_second_run_changes_nothing(run: Run, account: SandboxAccount, stripe: Sandbox) -> None:
    """One JSON line per connection and resource, with exactly the keys of the contract."""
    lines = run(HEAD + CUSTOMER + CHARGE)

    assert actions(lines) == [(None, "created"), ("customer", "created"), ("charge", "created")]
    assert all(list(line) == KEYS for line in lines)
    assert {(line["connection"], line["account"]) for line in lines} == {("Main shop", account.id)}
    connection = Connection.objects.get()
    assert (connection.state, connection.name, connection.polls) == ("active", "Main shop", False)
    customer, charge = connection.resources.order_by("pk")
    assert customer.mapping is not None and charge.mapping is not None
    # The email row comes first, `customer.` may be left out for Customer.
    assert customer.mapping.rows == [
        {"from": ["email"], "to": "email", "write": "always"},
        {"from": ["customer.name"], "to": "name", "write": "always"},
    ]
    assert "customer.created" in customer.events
    assert (charge.sync, charge.data, charge.events) == ("history_and_new", "customer_only", ["charge.succeeded"])
    assert charge.mapping.rows[1] == {
        "from": ["customer.phone", "billing_details.phone"],
        "to": "phone",
        "write": "if_empty",
    }
    endpoints = account.objects("webhook_endpoint")
    before = list(FieldMapping.objects.values()) + list(Connection.objects.values("epoch", "endpoint_id"))

    again = run(HEAD + CUSTOMER + CHARGE)

    assert actions(again) == [(None, "unchanged"), ("customer", "unchanged"), ("charge", "unchanged")]
    assert account.objects("webhook_endpoint") == endpoints and len(endpoints) == 1
    assert list(FieldMapping.objects.values()) + list(Connection.objects.values("epoch", "endpoint_id")) == before
    assert SyncRun.objects.count() == 1


def test_a_changed_file_changes_mapping_events_data_sync_and_name(run: Run, account: SandboxAccount) -> None:
    """A074 to A078: a changed mapping is a new numbered version."""
    run(HEAD + CUSTOMER + CHARGE)
    changed = (HEAD + CUSTOMER + CHARGE).replace("Main shop", "Second shop").replace("new_only", "history_and_new")
    changed = changed.replace('"charge.succeeded"', '"charge.succeeded", "charge.failed"').replace(
        "customer_only", "all"
    )
    lines = run(changed.replace("if_empty", "always"))

    assert actions(lines) == [(None, "updated"), ("customer", "updated"), ("charge", "updated")]
    charge = Resource.objects.get(kind="charge")
    assert charge.mapping is not None
    assert (charge.mapping.number, charge.data, charge.events) == (2, "all", ["charge.succeeded", "charge.failed"])
    assert Connection.objects.get().name == "Second shop"
    assert "charge.failed" in account.objects("webhook_endpoint")[0]["enabled_events"]
    assert Resource.objects.get(kind="customer").runs.get().state == "queued"
    assert actions(run(changed.replace("if_empty", "always")))[1:] == [
        ("customer", "unchanged"),
        ("charge", "unchanged"),
    ]


def test_wishing_for_new_records_only_stops_a_running_import(run: Run) -> None:
    run(HEAD + CHARGE)
    run(HEAD + CHARGE.replace("history_and_new", "new_only"))
    assert (Resource.objects.get().sync, SyncRun.objects.get().state) == ("new_only", "cancelled")


def test_what_the_file_omits_stays_unless_it_is_pruned(
    run: Run, stripe: Sandbox, account: SandboxAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--prune` disconnects omitted resources and connections; what they brought stays."""
    monkeypatch.setenv("OTHER_KEY", stripe.account("other").key)
    other = HEAD.replace("Main shop", "Other shop").replace("STRIPE_KEY", "OTHER_KEY") + CUSTOMER
    run(HEAD + CUSTOMER + CHARGE + other)
    Contact.objects.create(email="ada@mill.example", email_key="ada@mill.example")

    assert actions(run(HEAD + CUSTOMER)) == [(None, "unchanged"), ("customer", "unchanged")]
    assert Connection.objects.connected().count() == 2
    lines = run(HEAD + CUSTOMER, "--prune")

    assert [(line["connection"], line["resource"], line["action"]) for line in lines] == [
        ("Main shop", None, "unchanged"),
        ("Main shop", "customer", "unchanged"),
        ("Main shop", "charge", "removed"),
        ("Other shop", None, "removed"),
        ("Other shop", "customer", "removed"),
    ]
    assert list(Connection.objects.connected().values_list("account", flat=True)) == [account.id]
    assert list(Resource.objects.active().values_list("kind", flat=True)) == ["customer"]
    assert Contact.objects.exists()


def test_another_key_of_the_account_replaces_the_key(
    run: Run, account: SandboxAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection is identified by source, account and mode, which are read with the key."""
    run(HEAD + CUSTOMER)
    restricted = account.restricted_key()
    monkeypatch.setenv("STRIPE_KEY", restricted)
    assert actions(run(HEAD + CUSTOMER)) == [(None, "updated"), ("customer", "unchanged")]
    connection = Connection.objects.get()
    assert connection.key_fingerprint == fingerprint(restricted)
    assert actions(run(HEAD + CUSTOMER))[0] == (None, "unchanged")


def test_test_mode_is_a_connection_of_its_own(
    run: Run, account: SandboxAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(HEAD + CUSTOMER)
    monkeypatch.setenv("STRIPE_KEY", account.test.key)
    assert actions(run(HEAD + CUSTOMER))[0] == (None, "created")
    assert list(Connection.objects.order_by("pk").values_list("account", "is_test")) == [
        (account.id, False),
        (account.id, True),
    ]


def test_a_disconnected_account_is_connected_again(run: Run) -> None:
    """A088: its row is taken again."""
    run(HEAD + CUSTOMER)
    run('[[field]]\nkey = "plan"\n', "--prune")
    assert Connection.objects.get().state == "disconnected"
    assert actions(run(HEAD + CUSTOMER)) == [(None, "created"), ("customer", "created")]
    assert Connection.objects.get().state == "active"


def test_fields_of_the_file_are_made_once(run: Run, account: SandboxAccount) -> None:
    """`[[field]]` makes custom fields that do not exist yet; metadata may be mapped to them."""
    text = (
        '[[field]]\nkey = "plan"\nlabel = "Plan name"\ntype = "choice"\nchoices = ["pro", "free"]\n'
        + HEAD
        + CUSTOMER
        + '[[connection.resource.map]]\nfrom = "metadata.plan"\nto = "field:plan"\n'
    )
    run(text)
    field = CustomField.objects.get()
    assert (field.key, field.label, field.type, field.choices) == ("plan", "Plan name", "choice", ["pro", "free"])
    assert actions(run(text)) == [(None, "unchanged"), ("customer", "unchanged")]
    assert CustomField.objects.count() == 1


def test_delivery_auto_polls_where_stripe_refuses_the_address(
    run: Run, stripe: Sandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SITE_URL = "http://127.0.0.1:9"
    monkeypatch.setenv("STRIPE_KEY", stripe.account("shy", local_webhooks=False).key)
    lines = run(HEAD + 'delivery = "auto"\n' + CUSTOMER)
    connection = Connection.objects.get()
    assert (connection.polls, connection.delivery, connection.endpoint_id) == (True, "auto", "")
    assert "cannot reach this address" in lines[0]["message"]
    assert actions(run(HEAD + 'delivery = "auto"\n' + CUSTOMER))[0] == (None, "unchanged")


def test_delivery_auto_polls_where_the_key_may_not_write_endpoints(
    run: Run, account: SandboxAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_KEY", account.restricted_key(without=["rak_webhook_read", "rak_webhook_write"]))
    assert actions(run(HEAD + 'delivery = "auto"\n' + CUSTOMER))[0] == (None, "created")
    connection = Connection.objects.get()
    assert (connection.polls, connection.state, connection.endpoint_error) == (True, "active", "")
    assert actions(run(HEAD + 'delivery = "auto"\n' + CUSTOMER))[0] == (None, "unchanged")
    monkeypatch.setenv("STRIPE_KEY", account.key)
    assert actions(run(HEAD + 'delivery = "auto"\n' + CUSTOMER))[0] == (None, "updated")
    assert not Connection.objects.get().polls


def test_delivery_can_be_changed(run: Run, account: SandboxAccount) -> None:
    run(HEAD + CUSTOMER)
    assert actions(run(HEAD + 'delivery = "polling"\n' + CUSTOMER)) == [(None, "updated"), ("customer", "unchanged")]
    assert Connection.objects.get().polls and not account.objects("webhook_endpoint")
    run(HEAD + 'delivery = "webhook"\n' + CUSTOMER)
    assert not Connection.objects.get().polls and len(account.objects("webhook_endpoint")) == 1


def test_delivery_webhook_with_a_refused_address_is_an_error_and_leaves_nothing(
    run: Run, stripe: Sandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is half-done: not the field, not the other account of the file, not its endpoint."""
    settings.SITE_URL = "http://127.0.0.1:9"
    friendly = stripe.account("friendly", local_webhooks=True)
    monkeypatch.setenv("STRIPE_KEY", friendly.key)
    monkeypatch.setenv("SHY_KEY", stripe.account("shy", local_webhooks=False).key)
    shy = HEAD.replace("STRIPE_KEY", "SHY_KEY").replace("Main", "Shy") + 'delivery = "webhook"\n' + CUSTOMER
    with pytest.raises(Refusal, match="Nothing was changed: 1 error") as refusal:
        run('[[field]]\nkey = "plan"\n' + HEAD + CUSTOMER + shy)

    (line,) = refusal.value.lines
    assert (line["connection"], line["action"]) == ("Shy shop", "error")
    assert "Stripe refuses the webhook address http://127.0.0.1:9/" in line["message"]
    assert line["message"].startswith("Line 24:")
    assert not Connection.objects.exists() and not CustomField.objects.exists()
    assert not friendly.objects("webhook_endpoint")


def test_a_late_refusal_takes_back_what_an_existing_connection_got(
    run: Run, stripe: Sandbox, account: SandboxAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(HEAD + CUSTOMER)
    before = list(Connection.objects.values("delivery", "polls", "name"))
    monkeypatch.setenv("FULL_KEY", full_of_endpoints(stripe).key)
    full = HEAD.replace("STRIPE_KEY", "FULL_KEY").replace("Main", "Full") + CUSTOMER
    with pytest.raises(Refusal) as refusal:
        run(HEAD.replace("Main", "Renamed") + 'delivery = "polling"\n' + CUSTOMER + CHARGE + full)

    assert "16 webhook endpoints" in refusal.value.messages and "polling" in refusal.value.messages
    assert list(Connection.objects.values("delivery", "polls", "name")) == before
    assert len(account.objects("webhook_endpoint")) == 1
    assert list(Resource.objects.active().values_list("kind", flat=True)) == ["customer"]


def full_of_endpoints(stripe: Sandbox) -> SandboxAccount:
    import stripe as official

    full = stripe.account("full")
    client = official.StripeClient(full.key, base_addresses={"api": stripe.base_url})
    for number in range(16):
        client.v1.webhook_endpoints.create(
            {"url": f"https://tool-{number}.example/hook", "enabled_events": ["invoice.paid"]}
        )
    return full


@pytest.mark.parametrize(
    ("text", "entry", "line", "words"),
    [
        ("a = [", None, "", "not valid TOML"),
        ("", None, "Line 1", "names nothing"),
        ('[[conection]]\nname = "x"\n', None, "Line 1", "Did you mean “connection”?"),
        (HEAD.replace('"STRIPE_KEY"', '"NO_SUCH_KEY"') + CUSTOMER, "Main shop", "Line 5", "NO_SUCH_KEY is not set"),
        (HEAD.replace('key_env = "STRIPE_KEY"', "") + CUSTOMER, "Main shop", "Line 2", "“key_env” is missing"),
        (HEAD.replace("STRIPE_KEY", "sk_live_abc") + CUSTOMER, "Main shop", "Line 5", "not the key itself"),
        (HEAD.replace('"stripe"', '"paypal"') + CUSTOMER, "Main shop", "Line 3", "Possible: stripe"),
        (HEAD + 'delivery = "pigeon"\n' + CUSTOMER, "Main shop", "Line 6", "auto, webhook, polling"),
        (HEAD + "names = 1\n" + CUSTOMER, "Main shop", "Line 6", "Did you mean “name”?"),
        (HEAD, "Main shop", "Line 2", "needs a [[connection.resource]]"),
        (HEAD + CUSTOMER.replace('"customer"', '"order"'), "Main shop", "Line 8", "“order” is no kind"),
        (HEAD + CUSTOMER.replace('"new_only"', '"old_only"'), "customer", "Line 9", "history_and_new, new_only"),
        (HEAD + CUSTOMER.replace('from = "name"', 'from = "nmae"'), "customer", "Line 12", "Did you mean “name”?"),
        (HEAD + CUSTOMER.replace('to = "name"', 'to = "field:plan"'), "customer", "Line 13", "no custom field “plan”"),
        (HEAD + CUSTOMER.replace('to = "name"', 'to = "nick"'), "customer", "Line 13", "Possible: email, name"),
        (HEAD + CUSTOMER.replace('to = "email"', 'to = "phone"'), "customer", "Line 7", "no row for the email"),
        (HEAD + CUSTOMER.replace('to = "name"', 'to = "email"'), "customer", "Line 14", "row above already"),
        (
            HEAD + CUSTOMER.replace('to = "name"', 'to = "name"\nwrite = "never"'),
            "customer",
            "Line 14",
            "always, if_empty",
        ),
        (HEAD + CUSTOMER.replace('to = "name"', ""), "customer", "Line 11", "“to” is missing"),
        (HEAD + CUSTOMER + CUSTOMER, "Main shop", "Line 18", "twice"),
        (HEAD + CHARGE.replace('["charge.succeeded"]', '[\n"charge.flown"]'), "charge", "Line 11", "charge.flown"),
        (HEAD + CHARGE.replace("charge.succeeded", "customer.created"), "charge", "Line 11", "no event of"),
        (HEAD + CUSTOMER + HEAD + CUSTOMER, "Main shop", "Line 18", "stands in this file already"),
        ('[[field]]\nlabel = "Plan"\n' + HEAD + CUSTOMER, None, "Line 1", "no “key”"),
        ('[[field]]\nkey = "My Plan"\n' + HEAD + CUSTOMER, None, "Line 2", "small letters"),
        ('[[field]]\nkey = "plan"\ntype = "choice"\n' + HEAD + CUSTOMER, None, "Line 1", "needs “choices”"),
        ('[[field]]\nkey = "plan"\ntype = "colour"\n' + HEAD + CUSTOMER, None, "Line 3", "text, number"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_nothing_is_changed(
    run: Run, stripe: Sandbox, text: str, entry: str | None, line: str, words: str
) -> None:
    """Plain words, exit status 1, the entry named, nothing written here or at Stripe."""
    with pytest.raises(Refusal, match="Nothing was changed: 1 error") as refusal:
        run(text)
    (told,) = refusal.value.lines
    assert list(told) == KEYS and told["action"] == "error"
    assert entry in (told["connection"], told["resource"]) if entry else told["connection"] is None
    assert told["message"].startswith(line) and words in told["message"]
    assert "sk_live_abc" not in told["message"]
    assert not Connection.objects.exists() and not CustomField.objects.exists()
    assert not [request for request in stripe.requests() if request["method"] != "GET"]


def test_all_mistakes_are_told_at_once(run: Run) -> None:
    text = HEAD.replace("name =", "nam =") + CUSTOMER.replace('from = "name"', 'from = "nmae"').replace("new_only", "x")
    with pytest.raises(Refusal, match="3 errors") as refusal:
        run(text)
    assert [line["message"].split(":")[0] for line in refusal.value.lines] == ["Line 4", "Line 9", "Line 12"]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (lambda account: account.expired_key(), "expired"),
        (lambda account: account.publishable_key(), "publishable"),
        (lambda account: "sk_live_nobodyknowsthisone", "does not know this key"),
        (
            lambda account: account.restricted_key(without=["rak_customer_read", "rak_customer_write"]),
            "rak_customer_read",
        ),
    ],
)
def test_a_key_stripe_refuses_stops_the_whole_file(
    run: Run, account: SandboxAccount, monkeypatch: pytest.MonkeyPatch, key: Callable[..., str], words: str
) -> None:
    """Keys are checked at Stripe before anything is written: the good first account is not connected either."""
    monkeypatch.setenv("BAD_KEY", key(account))
    with pytest.raises(Refusal) as refusal:
        run(HEAD + CUSTOMER + HEAD.replace("STRIPE_KEY", "BAD_KEY").replace("Main", "Bad") + CUSTOMER)
    (line,) = refusal.value.lines
    assert line["connection"] == "Bad shop" and words in line["message"] and line["message"].startswith("Line 21:")
    assert not Connection.objects.exists()


def test_a_right_the_key_lacks_is_told_for_its_resource(
    run: Run, account: SandboxAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_KEY", account.restricted_key(without=["rak_charge_read", "rak_charge_write"]))
    with pytest.raises(Refusal) as refusal:
        run(HEAD + CUSTOMER + CHARGE)
    (line,) = refusal.value.lines
    assert (line["resource"], line["account"]) == ("charge", account.id)
    assert "rak_charge_read" in line["message"]


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("connect", str(tmp_path / "none.toml"), stdout=out)
    assert "cannot be read" in json.loads(out.getvalue())["message"]
    with pytest.raises(CommandError, match="Name a setup file"):
        call_command("connect", stdout=out)


def test_the_export_makes_the_same_again(run: Run, account: SandboxAccount, stripe: Sandbox) -> None:
    """`connect --export` prints TOML that recreates what is there, without a key in it."""
    custom_fields.add(CustomField(key="note", label='A "quoted"\nnote ü'))
    text = CUSTOMER + '[[connection.resource.map]]\nfrom = "metadata.Odd key"\nto = "field:note"\n'
    run(HEAD.replace("Main shop", "Mühle “1” \\u007f") + text + CHARGE)
    exported = export()
    rows = list(FieldMapping.objects.values_list("resource__kind", "rows"))
    settled = list(Resource.objects.values_list("kind", "sync", "data", "events"))

    assert account.key not in exported and 'key_env = "STRIPE_KEY"' in exported
    assert {action for _, action in actions(run(exported, "--prune"))} == {"unchanged"}
    run('[[field]]\nkey = "note"\n', "--prune")
    CustomField.objects.all().delete()
    run(exported)

    assert CustomField.objects.get().label == 'A "quoted"\nnote ü'
    assert Connection.objects.get().name == "Mühle “1” \x7f"
    assert list(Resource.objects.active().values_list("kind", "sync", "data", "events")) == settled
    held = Resource.objects.active().select_related("mapping")
    assert [(one.kind, one.mapping.rows) for one in held if one.mapping] == rows
    assert export() == exported


def test_the_export_of_several_accounts_names_a_variable_each(
    run: Run, stripe: Sandbox, account: SandboxAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(HEAD + CUSTOMER)
    monkeypatch.setenv("STRIPE_KEY", account.test.key)
    run(HEAD + CUSTOMER)
    exported = export()
    assert 'key_env = "STRIPE_KEY_MAIN_SHOP"\n' in exported
    assert 'key_env = "STRIPE_KEY_MAIN_SHOP_TEST"\n' in exported


def export() -> str:
    out = StringIO()
    call_command("connect", "--export", stdout=out)
    return out.getvalue()


def test_contacts_arrive_from_a_file(
    run: Run, account: SandboxAccount, stripe: Sandbox, settings: Any, live_hook: None, deliver: Callable[[], Any]
) -> None:
    """From a file to a contact, as from the wizard."""
    account.create_customer(email="old@mill.example", name="Old Hand")
    stripe.discard()
    run(HEAD + CUSTOMER.replace("new_only", "history_and_new"))
    account.create_customer(email="new@mill.example", name="New Hand")
    deliver()
    work()
    assert sorted(Contact.objects.values_list("email", "last_name")) == [
        ("new@mill.example", "Hand"),
        ("old@mill.example", "Hand"),
    ]
