"""Conditions read from JSON: what is accepted, and exactly where a mistake is."""

from __future__ import annotations

from typing import Any

import pytest

from contacts.models import CustomField
from recurring_payments.fields import FIELDS
from segments.conditions import Condition, ConditionError, Group, Related, as_json, parse
from segments.fields import CONTACT, fields
from segments.words import describe

pytestmark = pytest.mark.django_db


def one(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def all_of(*items: dict[str, Any]) -> dict[str, Any]:
    return {"match": "all", "items": list(items)}


TREE = all_of(
    one("contact.tag", "has", "trial"),
    {
        "match": "any",
        "items": [
            one("contact.phone", "is_empty"),
            all_of(one("contact.paid_total", "between", {"from": "10.00", "to": "49.90", "currency": "EUR"})),
        ],
    },
    {
        "about": "recurring_payment",
        "quantifier": "none",
        "match": "any",
        "conditions": [one("recurring_payment.next_payment_date", "within_next", {"count": 7, "unit": "days"})],
    },
)


def test_a_tree_is_read_and_written_back_as_it_was() -> None:
    group = parse(TREE)
    assert as_json(group) == TREE
    assert group.items[0] == Condition("contact.tag", "has", "trial")
    assert isinstance(group.items[2], Related)
    assert parse({"match": "all", "items": []}) == Group()


@pytest.mark.parametrize(
    ("path", "tree"),
    [
        ("", []),
        ("match", {"match": "some", "items": []}),
        ("items", {"match": "all", "items": {}}),
        ("surplus", {"match": "all", "items": [], "surplus": 1}),
        ("items[0].field", all_of(one("contact.shoe_size", "is", 42))),
        ("items[0].field", all_of(one("contact.field:gone", "is", "x"))),
        ("items[0].operator", all_of(one("contact.email", "before", "x"))),
        ("items[0].value", all_of(one("contact.email", "is", ""))),
        ("items[0].value", all_of(one("contact.email", "is", 5))),
        ("items[1].items[0].value.to", all_of(one("contact.phone", "is_empty"), all_of(
            one("contact.created_at", "between", {"from": "2026-02-01", "to": "2026-01-01"})))),
        ("items[0].value", all_of(one("contact.created_at", "on", "2026-02-30"))),
        ("items[0].value.count", all_of(one("contact.created_at", "within_next", {"count": 0, "unit": "days"}))),
        ("items[0].value.unit", all_of(one("contact.created_at", "within_next", {"count": 1, "unit": "years"}))),
        ("items[0].value.currency", all_of(one("contact.paid_total", "is", {"amount": "1", "currency": "euro"}))),
        ("items[0].value.amount", all_of(one("contact.paid_total", "is", {"amount": "1.5", "currency": "JPY"}))),
        ("items[0].items", all_of({"match": "any", "items": []})),
        ("items[0].quantifier", all_of({"about": "order", "quantifier": "all", "match": "all", "conditions": []})),
        ("items[0].about", all_of({"about": "invoice", "quantifier": "any", "match": "all", "conditions": []})),
        ("items[0].conditions[0].field", all_of({"about": "order", "quantifier": "any", "match": "all",
            "conditions": [one("contact.email", "is", "x")]})),
        ("items[0].conditions[0].value", all_of({"about": "recurring_payment", "quantifier": "any", "match": "all",
            "conditions": [one("recurring_payment.normalized_status", "is", ["ACTIVE"])]})),
    ],
)  # fmt: skip
def test_a_mistake_says_where_it_is(path: str, tree: Any) -> None:
    with pytest.raises(ConditionError) as caught:
        parse(tree)
    assert caught.value.path == path
    assert caught.value.message.endswith(".")


def test_a_tree_too_deep_or_too_large_is_refused() -> None:
    deep: Any = one("contact.phone", "is_empty")
    for _ in range(5000):
        deep = {"match": "all", "items": [deep]}
    with pytest.raises(ConditionError, match="nested"):
        parse(deep)
    with pytest.raises(ConditionError, match="200 conditions"):
        parse(all_of(*[one("contact.phone", "is_empty")] * 201))


def test_every_field_of_recurring_payments_can_be_asked_about() -> None:
    """B036: "Recurring Payment - <field>" for each of the fields of the catalogue."""
    listed = [field.label for field in fields(CONTACT).values() if field.about == "recurring_payment"]
    assert listed == [f"Recurring Payment - {field.label}" for field in FIELDS]
    assert len(listed) == 84
    assert all(field.operators for field in fields(CONTACT).values())


def test_conditions_on_one_recurring_payment_ask_nothing_else() -> None:
    """B053"""
    city = one("recurring_payment.billing_city", "is", "Chicago")
    assert parse(all_of(city), "recurring_payment").items == (
        Condition("recurring_payment.billing_city", "is", "Chicago"),
    )
    with pytest.raises(ConditionError):
        parse(all_of(one("contact.email", "is", "x")), "recurring_payment")
    with pytest.raises(ConditionError):
        parse(all_of(TREE["items"][2]), "recurring_payment")


def test_conditions_are_told_in_a_sentence() -> None:
    CustomField.objects.create(key="seats", label="Seats", type="number")
    assert describe(parse(TREE)) == (
        "Has the tag “trial” and (phone is empty or has paid between €10.00 and €49.90 in all, after refunds) and "
        "has no recurring payment whose next payment date is within the next 7 days"
    )
    ago = one("recurring_payment.start_date", "more_than_ago", {"count": 1, "unit": "months"})
    assert describe(parse(all_of(ago))) == "Has a recurring payment whose start date is more than 1 month ago"
    assert describe(parse(all_of(one("contact.list", "on_list", 99)))) == "Is on a list that was deleted"
    assert describe(parse(all_of(one("contact.field:seats", "at_least", 2.5)))) == "Seats is at least 2.5"
    assert describe(Group()) == "Everybody"


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (one("contact.tag", "has_not", "vip"), "Does not have the tag “vip”"),
        (one("contact.order_count", "at_least", 1), "Has at least 1 paid order"),
        (one("contact.order_count", "is_not", 2), "Does not have 2 paid orders"),
        (one("contact.created_at", "within_last", {"count": 7, "unit": "days"}), "Was created within the last 7 days"),
        (one("contact.created_at", "on", "2026-11-01"), "Was created on Nov 1, 2026"),
        (one("contact.source_deleted_at", "is_empty"), "Is not deleted at the source"),
        (one("contact.customer", "is", "stripe"), "Is a customer of Stripe"),
        (one("contact.email", "ends_with", "@a.com"), "Email address ends with “@a.com”"),
        (one("recurring_payment.next_payment_date", "on", "2026-11-01"),
         "Has a recurring payment whose next payment date is on Nov 1, 2026"),
        (one("order.status", "is", "partially_refunded"), "Has an order that is partly refunded"),
    ],
)  # fmt: skip
def test_each_condition_reads_like_english(condition: dict[str, Any], words: str) -> None:
    assert describe(parse(all_of(condition))) == words


def test_what_is_said_of_one_record_hangs_together() -> None:
    """That or whose, as English has it, and «that» once."""
    block = {
        "about": "recurring_payment",
        "quantifier": "any",
        "match": "all",
        "conditions": [
            one("recurring_payment.normalized_status", "is", "ACTIVE"),
            one("recurring_payment.billing_interval", "is_not", "MONTHLY"),
            one("recurring_payment.line_item_names", "includes", "Pro"),
            one("recurring_payment.cancel_at_period_end", "yes"),
            one("recurring_payment.last_payment_status", "is", "DECLINED"),
        ],
    }
    assert describe(parse(all_of(block))) == (
        "Has a recurring payment that is active and is not billed by the month and whose line item names include “Pro” "
        "and that ends with its paid period and whose last payment status is declined"
    )
