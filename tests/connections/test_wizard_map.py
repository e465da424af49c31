"""Step 3: rows, preview, finish."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection as database
from django.test import Client

from connections import drafts, setup
from connections.models import Connection, FieldMapping, Resource, SetupDraft
from contacts.models import Contact, CustomField
from sandbox.stripe import Sandbox, SandboxAccount
from tests.conftest import signed_in
from users.models import AuditEntry, Role, User

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
ROWS = {
    "row-1-source": "email",
    "row-2-target": "",
    "row": ["3", "4"],
    "row-3-source": "customer.name",
    "row-3-target": "name",
    "row-4-source": "customer.phone",
    "row-4-target": "phone",
}


@pytest.fixture
def ada(account: SandboxAccount) -> dict[str, Any]:
    return account.create_customer(
        email="ada@mill.example",
        name="Ada de la Cruz",
        phone="+44 113 496 0000",
        address={"city": "Leeds"},
        metadata={"plan": "Pro", "seats": "many"},
    )


@pytest.fixture
def begin(account: SandboxAccount) -> Callable[..., SetupDraft]:
    """begin("customer", …): a draft of the account that stands before step 3."""

    def begun(kind: str = "customer", sync: str = "new_only", key: str = "") -> SetupDraft:
        draft = setup.draft_for(setup.connect(key or account.key))
        drafts.choose(draft, kind, sync, None, "all")
        return draft

    return begun


@pytest.fixture
def public(settings: Any) -> None:
    settings.SITE_URL = "https://millrace.example"


def url_of(draft: SetupDraft) -> str:
    return f"/apps/stripe/setup/{draft.pk}/map/"


def send(
    client: Client, draft: SetupDraft, rows: dict[str, Any] | None = None, *, htmx: bool = True, **more: Any
) -> Any:
    data = (ROWS if rows is None else rows) | more
    return client.post(url_of(draft), data, headers=HTMX if htmx else None)


def text_of(response: Any) -> str:
    """What a reader sees, spaces joined."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def row_of(response: Any, number: int) -> str:
    """The markup of one row."""
    return response.content.decode().split(f'id="row-{number}"')[1].split('class="mapping-row"')[0]


def preview_of(response: Any) -> str:
    html = response.content.decode().split('id="preview"')[1].split("</aside>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


# --- Rows ---


def test_the_obvious_rows_are_there_with_real_values(marketer_client: Client, ada: Any, begin: Any) -> None:
    """A054 A055 A056 A057 A058."""
    response = marketer_client.get(url_of(begin()))
    assert 'value="email" selected' in row_of(response, 1)
    assert "<option>Email address</option>" in row_of(response, 1)
    assert "ada@mill.example" in row_of(response, 1)
    assert "<option>Stripe customer ID</option>" in row_of(response, 2)
    assert "Not stored in a field" in row_of(response, 2)
    assert ada["id"] in row_of(response, 2)
    assert 'value="customer.name" selected' in row_of(response, 3)
    assert "First “Ada” · Last “de la Cruz”" in unescape(row_of(response, 3))
    assert 'value="phone" selected' in row_of(response, 4)
    assert all(len(re.findall("<select", row_of(response, n))) == 2 for n in (1, 2, 3, 4))
    assert "<optgroup" in row_of(response, 3)


@pytest.mark.parametrize("kind", Resource.Kind.values)
def test_every_resource_can_be_mapped_before_any_record_exists(
    marketer_client: Client, account: SandboxAccount, begin: Any, kind: str
) -> None:
    response = marketer_client.get(url_of(begin(kind)))
    assert response.status_code == 200
    assert "in Stripe yet" in preview_of(response)


def test_only_fields_that_exist_are_offered_and_none_is_made(
    marketer_client: Client, ada: Any, begin: Any, public: None
) -> None:
    """A004."""
    CustomField.objects.create(key="plan", label="Plan", type="text", position=1)
    draft = begin()
    response = marketer_client.get(url_of(draft))
    assert 'value="field:plan"' in row_of(response, 3)
    unknown = send(marketer_client, draft, **{"row-4-target": "field:invented"})
    assert unknown.status_code == 422
    assert "Choose a contact field that exists." in row_of(unknown, 4)
    assert SetupDraft.objects.get().rows is None
    send(marketer_client, draft, action="finish")
    assert CustomField.objects.count() == 1


def test_an_unknown_stripe_field_is_refused(marketer_client: Client, ada: Any, begin: Any) -> None:
    response = send(marketer_client, begin(), **{"row-4-source": "customer.secret"})
    assert response.status_code == 422
    assert "Choose one of the fields listed." in row_of(response, 4)


def test_add_field_mapping_adds_a_row_as_often_as_wanted(marketer_client: Client, ada: Any, begin: Any) -> None:
    """A059: and the first select of the new row has the focus."""
    draft, rows = begin(), dict(ROWS)
    for number in (5, 6, 7):
        response = send(marketer_client, draft, rows, action="add")
        assert 'name="remove"' in row_of(response, number)
        assert re.search(rf'name="row-{number}-source"[^>]*autofocus', row_of(response, number))
        rows = rows | {"row": [*rows["row"], str(number)]}
    removed = send(marketer_client, draft, rows, remove="6").content.decode()
    assert 'id="row-5"' in removed
    assert 'id="row-6"' not in removed
    assert 'id="row-7"' in removed


def test_adding_and_removing_without_script(marketer_client: Client, ada: Any, begin: Any) -> None:
    """E001 A059: the rows come back on a whole page."""
    draft = begin()
    added = send(marketer_client, draft, htmx=False, action="add")
    assert added.status_code == 302
    page = marketer_client.get(added["Location"])
    assert re.search(r'name="row-5-source"[^>]*autofocus', row_of(page, 5))
    removed = send(marketer_client, draft, htmx=False, remove="4")
    assert 'id="row-4"' not in marketer_client.get(removed["Location"]).content.decode()


def test_a_field_taken_twice_is_said_at_both_rows(marketer_client: Client, ada: Any, begin: Any) -> None:
    CustomField.objects.create(key="company", label="Company", type="text", position=1)
    rows = ROWS | {
        "row": ["3", "4", "5"],
        "row-4-source": "customer.description",
        "row-4-target": "field:company",
        "row-5-source": "customer.business_name",
        "row-5-target": "field:company",
    }
    response = send(marketer_client, begin(), rows)
    assert "Company is already filled by “Business name”." in unescape(row_of(response, 4))
    assert "Company is already filled by “Customer description”." in unescape(row_of(response, 5))
    assert "1 problem to fix" in text_of(response)
    # The draft keeps both, so that nothing is lost by leaving now.
    assert [row["to"] for row in SetupDraft.objects.get().rows[3:]] == ["field:company", "field:company"]


def test_first_name_beside_first_and_last_name_is_taken_twice(marketer_client: Client, ada: Any, begin: Any) -> None:
    response = send(marketer_client, begin(), **{"row-4-target": "first_name"})
    assert "First name is already filled by “Customer phone”." in unescape(row_of(response, 3))
    assert "First name is already filled by “Customer name”." in unescape(row_of(response, 4))
    refused = send(marketer_client, SetupDraft.objects.get(), action="finish", **{"row-4-target": "first_name"})
    assert refused.status_code == 422
    assert not Resource.objects.exists()


def test_finish_without_email_is_an_error_at_that_row(
    marketer_client: Client, ada: Any, begin: Any, public: None
) -> None:
    """A055."""
    response = send(marketer_client, begin(), action="finish", **{"row-1-source": ""})
    assert response.status_code == 422
    assert "The email address is required" in row_of(response, 1)
    assert not Resource.objects.exists()
    assert not FieldMapping.objects.exists()


def test_half_a_row_is_an_error_at_its_empty_end(marketer_client: Client, ada: Any, begin: Any, public: None) -> None:
    rows = ROWS | {"row": ["3", "4", "5"], "row-3-target": "", "row-4-source": ""}
    response = send(marketer_client, begin(), rows, action="finish")
    assert response.status_code == 422
    assert "Choose a contact field, or remove this row." in row_of(response, 3)
    assert "Choose a Stripe field, or remove this row." in row_of(response, 4)
    assert "or remove this row" not in row_of(response, 5)
    assert "2 problems to fix" in text_of(response)


def test_rows_are_kept_at_each_change_and_for_a_colleague(
    marketer_client: Client, ada: Any, begin: Any, make_user: Callable[..., User]
) -> None:
    draft = begin()
    send(marketer_client, draft, **{"row-4-source": "customer.address.city", "row-4-if_empty": "on"})
    other = signed_in(make_user(Role.MARKETER, email="second@example.com"))
    page = other.get(url_of(draft))
    assert 'value="customer.address.city" selected' in row_of(page, 4)
    assert 'name="row-4-if_empty"' in row_of(page, 4)
    assert "checked" in row_of(page, 4)
    assert SetupDraft.objects.get().rows[3]["write"] == "if_empty"


def test_leaving_keeps_the_rows(marketer_client: Client, ada: Any, begin: Any) -> None:
    draft, phone = begin(), {"row-4-source": "customer.address.city"}
    assert send(marketer_client, draft, htmx=False, action="later", **phone)["Location"] == "/apps/stripe/"
    assert SetupDraft.objects.get().rows[3]["from"] == ["customer.address.city"]
    shown = marketer_client.get("/apps/stripe/").content.decode()
    assert ("is not finished" in shown, shown.count("The setup of ")) == (True, 1)
    back = send(marketer_client, draft, htmx=False, action="back")
    assert back["Location"] == f"/apps/stripe/setup/{draft.pk}/resource/"
    assert SetupDraft.objects.get().rows[3]["from"] == ["customer.phone"]
    field = send(marketer_client, draft, action="field")
    assert "next=%2Fapps%2Fstripe%2Fsetup" in field["HX-Redirect"]


def test_metadata_found_on_real_records_is_offered(
    marketer_client: Client, ada: Any, begin: Any, account: SandboxAccount
) -> None:
    assert 'value="customer.metadata.plan"' in row_of(marketer_client.get(url_of(begin())), 3)


def test_a_source_of_several_keys_can_be_kept_and_names_them(
    marketer_client: Client, account: SandboxAccount, begin: Any
) -> None:
    response = marketer_client.get(url_of(begin("charge")))
    assert "Customer name, else Billing name" in row_of(response, 3)
    kept = send(marketer_client, SetupDraft.objects.get(), **{"row-3-source": "customer.name|billing_details.name"})
    assert kept.status_code == 200
    assert SetupDraft.objects.get().rows[2]["from"] == ["customer.name", "billing_details.name"]


# --- Preview ---


def test_the_preview_shows_the_contact_as_it_would_be(marketer_client: Client, ada: Any, begin: Any) -> None:
    seen = preview_of(marketer_client.get(url_of(begin())))
    assert "How the latest Stripe customer will look." in seen
    assert "Ada de la Cruz ada@mill.example" in seen
    assert "Phone +44 113 496 0000" in seen
    assert "stripe-integration" in seen
    assert "stripe-integration- customer. created".replace("- ", "-") in seen.replace(". ", ".").replace(".", ". ")
    assert "Creates a new contact" in seen


def test_a_changed_row_changes_the_preview(marketer_client: Client, ada: Any, begin: Any) -> None:
    draft = begin()
    marketer_client.get(url_of(draft))
    response = send(marketer_client, draft, **{"row-4-source": "customer.address.city"})
    assert "Phone Leeds" in preview_of(response)
    assert "<html" not in response.content.decode()
    whole = send(marketer_client, draft, htmx=False, action="preview", **{"row-4-source": "customer.description"})
    assert "Leeds" not in preview_of(marketer_client.get(whole["Location"]))


def test_records_are_read_once_and_shown_one_after_the_other(
    marketer_client: Client, account: SandboxAccount, stripe: Sandbox, begin: Any
) -> None:
    for number in range(7):
        account.create_customer(email=f"p{number}@mill.example", name=f"Person {number}")
    draft = begin()
    stripe.clear_requests()
    assert "p6@mill.example" in preview_of(marketer_client.get(url_of(draft)))
    assert "p5@mill.example" in preview_of(send(marketer_client, draft, action="next", record="1"))
    around = preview_of(send(marketer_client, draft, action="next", record="5"))
    assert "p6@mill.example" in around
    marketer_client.get(url_of(draft))
    assert len(stripe.requests("/v1/customers")) == 1
    assert len(SetupDraft.objects.get().samples) == 5


def test_a_known_contact_would_be_updated(marketer_client: Client, ada: Any, begin: Any) -> None:
    Contact.objects.create(email="Ada@Mill.example", email_key="ada@mill.example", first_name="Augusta", phone="1")
    draft = begin()
    marketer_client.get(url_of(draft))
    seen = preview_of(send(marketer_client, draft, **{"row-4-if_empty": "on"}))
    assert "Updates Augusta" in seen
    assert "Phone 1 kept" in seen


def test_a_value_that_does_not_fit_is_said(marketer_client: Client, ada: Any, begin: Any) -> None:
    CustomField.objects.create(key="seats", label="Seats", type="number", position=1)
    draft = begin()
    marketer_client.get(url_of(draft))
    rows = {"row-4-source": "customer.metadata.seats", "row-4-target": "field:seats"}
    assert "Seats “many” is not a number." in preview_of(send(marketer_client, draft, **rows))


def test_a_record_without_email_would_be_skipped(marketer_client: Client, account: SandboxAccount, begin: Any) -> None:
    account.create_customer(email="", name="Nobody Known")
    assert "would be skipped" in preview_of(marketer_client.get(url_of(begin())))


def test_products_are_read_with_subscriptions(marketer_client: Client, account: SandboxAccount, begin: Any) -> None:
    customer = account.create_customer(email="ada@mill.example", name="Ada Miller")
    account.subscribe(customer["id"], amount=4900, product="Pro plan")
    draft = begin("subscription")
    marketer_client.get(url_of(draft))
    response = send(marketer_client, draft, **{"row-4-source": "product.name"})
    assert "Phone Pro plan" in preview_of(response)
    assert "Ada Miller" in preview_of(response)


def test_stripe_being_away_leaves_the_wizard_usable(
    marketer_client: Client, ada: Any, stripe: Sandbox, begin: Any, public: None
) -> None:
    draft = begin()
    stripe.faults(status=500, path="/v1/customers")
    response = marketer_client.get(url_of(draft))
    assert "Stripe could not be read just now" in preview_of(response)
    assert "Try again" in preview_of(marketer_client.get(url_of(draft)))
    assert "ada@mill.example" in preview_of(send(marketer_client, draft, action="samples"))
    assert send(marketer_client, draft, action="finish")["HX-Redirect"] == "/apps/stripe/"


# --- Finish ---


def test_finish_shows_the_account_that_was_set_up_first(
    marketer_client: Client, ada: Any, begin: Any, public: None, stripe: Sandbox
) -> None:
    """Beside another account its card would stand below the fold."""
    send(marketer_client, begin(), action="finish")
    second = begin(key=stripe.account("second").key)
    to = send(marketer_client, second, action="finish")["HX-Redirect"]
    assert to == f"/apps/stripe/?account={second.connection_id}"
    page = marketer_client.get(to)
    assert page.context["accounts"][0].connection == second.connection
    assert "Customer is set up." in page.content.decode()


def test_finish_saves_and_says_so(marketer_client: Client, ada: Any, begin: Any, public: None) -> None:
    """A060 A063 E004."""
    rows = ROWS | {"row": ["3", "4", "5"], "row-4-if_empty": "on"}
    response = send(marketer_client, begin(), rows, htmx=False, action="finish")
    assert response["Location"] == "/apps/stripe/"
    said = [str(message) for message in get_messages(response.wsgi_request)]
    assert said == ["Customer is set up. New events are synced from now on."]
    resource = Resource.objects.get()
    assert resource.mapping
    assert resource.mapping.rows == [
        {"from": ["email"], "to": "email", "write": "always"},
        {"from": ["customer.name"], "to": "name", "write": "always"},
        {"from": ["customer.phone"], "to": "phone", "write": "if_empty"},
    ]
    assert resource.connection.endpoint_id
    draft = SetupDraft.objects.get()
    assert draft.finished_at
    assert draft.samples is None
    assert AuditEntry.objects.filter(action="connected resource").count() == 1


def test_history_is_announced_when_it_begins(marketer_client: Client, ada: Any, begin: Any, public: None) -> None:
    """A051 A063."""
    response = send(marketer_client, begin(sync="history_and_new"), htmx=False, action="finish")
    said = [str(message) for message in get_messages(response.wsgi_request)]
    assert said == ["Customer is set up. Its history is being imported now."]
    assert Resource.objects.get().runs.count() == 1


def test_a_finished_draft_leads_to_the_app(marketer_client: Client, ada: Any, begin: Any, public: None) -> None:
    draft = begin()
    send(marketer_client, draft, action="finish")
    for path in ("resource", "map"):
        assert marketer_client.get(f"/apps/stripe/setup/{draft.pk}/{path}/")["Location"] == "/apps/stripe/"
    for path in ("finish", "discard"):
        assert marketer_client.post(f"/apps/stripe/setup/{draft.pk}/{path}/")["Location"] == "/apps/stripe/"
    assert Resource.objects.count() == 1


def test_the_limit_of_endpoints_is_explained_and_trying_again_needs_no_rows(
    marketer_client: Client, account: SandboxAccount, begin: Any, public: None
) -> None:
    """A089 A090 A091 A092 A093."""
    from connections.sources.stripe.client import Client as Stripe

    others = [
        Stripe(account.key)
        .post("/v1/webhook_endpoints", url=f"https://other{n}.example/hook", enabled_events=["*"])
        .data
        for n in range(16)
    ]
    draft = begin()
    response = send(marketer_client, draft, action="finish", **{"row-4-source": "customer.address.city"})
    page, seen = response.content.decode(), text_of(response)
    assert response.status_code == 422
    assert re.search(r"<h2[^>]*>There was an error saving your connection</h2>", page)
    assert "Stripe allows 16 webhooks per account" in seen
    assert "this account has 16 of 16 now" in seen
    assert all(other["url"] in seen for other in others)
    assert 'href="https://dashboard.stripe.com/webhooks" target="_blank"' in page
    assert 'href="https://docs.stripe.com/webhooks" target="_blank"' in page
    assert 'value="customer.address.city" selected' in row_of(response, 4)
    assert not Resource.objects.exists()

    Stripe(account.key).delete(f"/v1/webhook_endpoints/{others[0]['id']}")
    again = marketer_client.post(f"/apps/stripe/setup/{draft.pk}/finish/")
    assert again["Location"] == "/apps/stripe/"
    mapping = Resource.objects.get().mapping
    assert mapping
    assert mapping.rows[2]["from"] == ["customer.address.city"]


def test_a_key_without_webhook_rights_may_poll_instead(
    marketer_client: Client, account: SandboxAccount, begin: Any, public: None
) -> None:
    draft = begin(key=account.restricted_key(without=["rak_webhook_write"]))
    response = send(marketer_client, draft, action="finish")
    assert response.status_code == 422
    assert "rak_webhook_write" in text_of(response)
    assert "Use polling instead" in text_of(response)
    assert not Resource.objects.exists()
    assert send(marketer_client, draft, action="poll")["HX-Redirect"] == "/apps/stripe/"
    connection = Connection.objects.get()
    assert (connection.delivery, connection.polls, connection.endpoint_id) == ("polling", True, "")


def test_stripe_failing_at_finish_keeps_everything(
    marketer_client: Client, ada: Any, stripe: Sandbox, begin: Any, public: None
) -> None:
    draft = begin()
    stripe.faults(status=500, path="/v1/webhook_endpoints")
    response = send(marketer_client, draft, action="finish")
    assert response.status_code == 422
    assert "There was an error saving your connection" in text_of(response)
    assert "cannot be reached" in text_of(response)
    assert not Resource.objects.exists()
    assert send(marketer_client, draft, action="finish")["HX-Redirect"] == "/apps/stripe/"


@pytest.mark.django_db(transaction=True)
def test_two_people_who_finish_at_once_make_one_resource(
    marketer_client: Client, ada: Any, begin: Any, public: None, make_user: Callable[..., User], account: SandboxAccount
) -> None:
    draft = begin(sync="history_and_new")
    clients = [marketer_client, signed_in(make_user(Role.MARKETER, email="second@example.com"))]

    def press(client: Client) -> str:
        try:
            return str(send(client, draft, htmx=False, action="finish")["Location"])
        finally:
            database.close()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(press, clients)) == ["/apps/stripe/", "/apps/stripe/"]
    resource = Resource.objects.get()
    assert resource.mappings.count() == resource.runs.count() == 1
    assert AuditEntry.objects.filter(action="connected resource").count() == 1
    assert len(account.objects("webhook_endpoint")) == 1
    assert Connection.objects.get().endpoint_id == account.objects("webhook_endpoint")[0]["id"]


def test_staff_may_not_map(staff_client: Client, ada: Any, begin: Any) -> None:
    """E005."""
    draft = begin()
    assert staff_client.get(url_of(draft)).status_code == 403
    assert send(staff_client, draft, action="finish").status_code == 403
