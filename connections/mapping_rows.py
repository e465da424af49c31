"""Mapping rows on their way through the wizard: the obvious ones, their order, and which are worth keeping.

A row is as FieldMapping.rows has it. In a draft either end may still be empty: "from": [] or "to": "".
"""

from __future__ import annotations

from typing import Any

from contacts.fields import NAME

Row = dict[str, Any]
CUSTOMER_ID = "customer.id"
# Guests buy without a Customer object, so their names stand on the record itself.
_NAMES = {
    "charge": ["customer.name", "billing_details.name"],
    "invoice": ["customer.name", "customer_name"],
    "checkout_session": ["customer.name", "customer_details.name"],
}
_PHONES = {
    "charge": ["customer.phone", "billing_details.phone"],
    "invoice": ["customer.phone", "customer_phone"],
    "checkout_session": ["customer.phone", "customer_details.phone"],
}


def blank() -> Row:
    return {"from": [], "to": "", "write": "always"}


def obvious(kind: str) -> list[Row]:
    """What almost everybody wants of a resource."""
    return [
        _row(["email"], "email"),
        _row([CUSTOMER_ID], ""),
        _row(_NAMES.get(kind, ["customer.name"]), NAME),
        _row(_PHONES.get(kind, ["customer.phone"]), "phone"),
    ]


def arranged(rows: list[Row]) -> list[Row]:
    """The email row first, the customer ID second, made if they are missing; the others in their order."""
    email = next((row for row in rows if row["to"] == "email"), _row([], "email"))
    customer = next((row for row in rows if row["from"] == [CUSTOMER_ID] and row is not email), _row([CUSTOMER_ID], ""))
    return [email, customer, *(row for row in rows if row is not email and row is not customer)]


def whole(rows: list[Row]) -> list[Row]:
    """The rows that say something: both ends chosen."""
    return [row for row in rows if row["from"] and row["to"]]


def _row(keys: list[str], target: str) -> Row:
    return {"from": keys, "to": target, "write": "always"}
