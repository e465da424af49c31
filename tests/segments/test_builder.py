"""The form part in which people build conditions: what it offers, what its buttons do, what it says about mistakes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from contacts.models import Contact, ContactList, Tag
from segments.builder import Builder
from segments.conditions import Condition, Group, Related, as_json, parse
from tests.recurring_payments.rows import payment

pytestmark = pytest.mark.django_db
PREFIX = "c"


def sent(*rows: tuple[str, dict[str, str]], action: str = "", **root: str) -> QueryDict:
    """What a browser sends: («0-1», parts) for each node below the root."""
    data = QueryDict(mutable=True)
    data.update({f"{PREFIX}-kind": "group", **{f"{PREFIX}-{part}": value for part, value in root.items()}})
    for place, parts in rows:
        data.update({f"{PREFIX}-{place}-{part}": value for part, value in {"kind": "condition", **parts}.items()})
    if action:
        data[f"{PREFIX}-do"] = action
    return data


def row(field: str, operator: str, **parts: str) -> dict[str, str]:
    return {"field": field, "operator": operator, **parts}


NAMED = row("contact.first_name", "is", value="Ana")


def shown(builder: Builder) -> str:
    return render_to_string("segments/_builder.html", {"builder": builder})


def test_what_was_sent_becomes_a_tree() -> None:
    Tag.objects.create(name="vip")
    joined = ContactList.objects.create(name="Newsletter")
    builder = Builder(PREFIX, sent(
        ("0", row("contact.tag", "has", value="vip")),
        ("1", {"kind": "group", "match": "any"}),
        ("1-0", row("contact.list", "on_list", value=str(joined.pk))),
        ("1-1", {"kind": "order", "quantifier": "none", "match": "all"}),
        ("1-1-0", row("order.total", "between", **{"from": "5", "to": "10", "currency": "eur"})),
        match="all",
    ))  # fmt: skip
    assert builder.is_valid()
    total = Condition("order.total", "between", {"from": "5", "to": "10", "currency": "EUR"})
    assert builder.group == Group(
        "all",
        (
            Condition("contact.tag", "has", "vip"),
            Group("any", (Condition("contact.list", "on_list", joined.pk), Related("order", "none", "all", (total,)))),
        ),
    )
    assert parse(as_json(builder.group)) == builder.group


def test_a_stored_tree_comes_back_as_it_was_when_nothing_is_changed() -> None:
    payment(Contact.objects.create())
    soon = Condition("recurring_payment.next_payment_date", "within_next", {"count": 7, "unit": "weeks"})
    stored = Group(
        "any",
        (Related("recurring_payment", "any", "any", (soon,)), Group("all", (Condition("contact.phone", "is_empty"),))),
    )
    html = shown(Builder(PREFIX, initial=stored))
    again = Builder(PREFIX, _as_a_browser_sends(html))
    assert again.is_valid()
    assert again.group == stored


def _as_a_browser_sends(html: str) -> QueryDict:
    """Inputs and chosen options of a form."""
    from html.parser import HTMLParser

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.data, self.select = QueryDict(mutable=True), ""

        def handle_starttag(self, tag: str, found: list[tuple[str, str | None]]) -> None:
            attributes = dict(found)
            if tag == "input":
                self.data[str(attributes["name"])] = attributes.get("value") or ""
            elif tag == "select":
                self.select = str(attributes["name"])
            elif tag == "option" and (self.select not in self.data or "selected" in attributes):
                self.data[self.select] = attributes.get("value") or ""

    reader = Reader()
    reader.feed(html)
    return reader.data


@pytest.mark.parametrize(
    ("action", "kinds"),
    [
        ("condition:", ["condition", "condition"]),
        ("group:", ["condition", "group"]),
        ("order:", ["condition", "order"]),
        ("remove:0", []),
        ("refresh:0", ["condition"]),
        ("remove:7", ["condition"]),
        ("nonsense:x", ["condition"]),
    ],
)
def test_a_button_changes_the_tree_and_keeps_what_was_typed(action: str, kinds: list[str]) -> None:
    builder = Builder(PREFIX, sent(("0", NAMED), action=action))
    assert not builder.is_valid()
    assert builder.acted
    assert not builder.has_errors
    assert [child.draft.kind for child in builder.root.children] == kinds
    if kinds:
        assert 'value="Ana"' in shown(builder)


def test_a_field_chosen_anew_gets_the_operators_it_has() -> None:
    builder = Builder(PREFIX, sent(("0", row("contact.created_at", "contains", value="Ana")), action="refresh:0"))
    html = shown(builder)
    assert 'value="on" selected' in html
    assert "Ana" not in html
    assert 'type="date"' in html


@pytest.mark.parametrize(
    ("parts", "place", "message"),
    [
        (row("", ""), "field", "Choose a field."),
        (row("contact.email", "is"), "value", "Enter what to compare with."),
        (row("contact.email", "yes"), "field", "Choose how to compare Email address."),
        (row("contact.tag", "has", value="vpi"), "value", "There is no tag of this name."),
        (row("contact.list", "on_list", value="99"), "value", "This list was deleted. Choose another one."),
        (row("contact.created_at", "within_last", count="x", unit="days"), "count", "Enter a number."),
        (row("contact.paid_total", "is", amount="1.999", currency="EUR"), "amount", "EUR has no smaller unit"),
        (row("contact.paid_total", "is", amount="1", currency="?"), "currency", "Enter the currency"),
        (row("contact.field:gone", "is", value="x"), "field", "The one that stood here does not exist."),
    ],
)  # fmt: skip
def test_a_mistake_stands_beside_its_input(parts: dict[str, str], place: str, message: str) -> None:
    builder = Builder(PREFIX, sent(("0", NAMED), ("1", parts)))
    assert not builder.is_valid()
    assert not builder.acted
    html = shown(builder)
    assert f'id="c-1-{place}_error"' in html
    assert message in html
    assert html.count("field-error") == 1


@pytest.mark.parametrize(
    ("action", "focused"),
    [
        ("condition:", "c-1-field"),
        ("group:", "c-1-0-field"),
        ("order:", "c-1-0-field"),
        ("remove:0", "c-add"),
    ],
)
def test_people_go_on_with_the_first_field_of_what_they_added(action: str, focused: str) -> None:
    html = shown(Builder(PREFIX, sent(("0", NAMED), action=action)))
    (before,) = html.split(" autofocus")[:-1]
    assert re.findall(r' id="([\w-]+)"', before)[-1] == focused


def test_tags_of_the_integration_may_yet_come() -> None:
    """A039"""
    tag = "stripe-integration-invoice.payment_failed"
    builder = Builder(PREFIX, sent(("0", row("contact.tag", "has", value=tag))))
    assert builder.is_valid()


def test_nothing_asked_is_a_mistake_only_where_conditions_are_required() -> None:
    assert not Builder(PREFIX, sent()).is_valid()
    everybody = Builder(PREFIX, sent(), required=False)
    assert everybody.is_valid()
    assert everybody.group == Group()
    begun = Builder(PREFIX, _as_a_browser_sends(shown(Builder(PREFIX, required=False))), required=False)
    assert begun.is_valid()
    empty = Builder(PREFIX, sent(("0", {"kind": "group"})), required=False)
    assert not empty.is_valid()
    assert "Add a condition to this group, or remove it." in shown(empty)


def test_recurring_payments_are_offered_once_there_is_one() -> None:
    """B006, B007, B009"""
    html = shown(Builder(PREFIX))
    assert "Recurring Payment - " not in html
    assert 'value="recurring_payment:' not in html
    assert "appear here once the first one is synced" in html
    payment(Contact.objects.create())
    html = shown(Builder(PREFIX))
    assert "Recurring Payment - Next payment date" in html
    assert 'value="recurring_payment:"' in html
    assert "once the first one is synced" not in html


def test_a_condition_that_was_chosen_stays_even_while_it_would_not_be_offered() -> None:
    """B009"""
    status = Condition("recurring_payment.normalized_status", "is", "ACTIVE")
    assert 'value="recurring_payment.normalized_status" selected' in shown(
        Builder(PREFIX, initial=Group("all", (status,)))
    )


def test_conditions_on_one_recurring_payment_offer_only_its_fields() -> None:
    """B053"""
    payment(Contact.objects.create())
    html = shown(Builder(PREFIX, scope="recurring_payment"))
    assert "The recurring payment matches" in html
    assert "Billing address city" in html
    assert "contact." not in html
    assert "order:" not in html


def test_the_builder_answers_at_its_own_address_for_any_form(staff_client: Client) -> None:
    address = reverse("segments:builder")
    answer = staff_client.post(f"{address}?prefix=c&scope=contact", sent(("0", NAMED), action="condition:"))
    assert answer.status_code == 200
    assert 'id="c-1-field"' in answer.content.decode()
    assert "conditions-changed" in answer.headers["HX-Trigger"]
    for wrong in ("?prefix=<b>", "?prefix=c&scope=everything", ""):
        assert staff_client.post(address + wrong, sent()).status_code == 404


def test_hostile_names_and_sizes_do_no_harm(staff_client: Client) -> None:
    deep = {f"c-{'-'.join(['0'] * depth)}-kind": "group" for depth in range(1, 60)}
    many = {f"c-{number}-kind": "condition" for number in range(700)}
    data: dict[str, Any] = {"c-kind": "group", **deep, **many, "c-1.5-kind": "group", "c-do": "remove:" + "0-" * 500}
    assert staff_client.post(reverse("segments:builder") + "?prefix=c", data).status_code == 200
