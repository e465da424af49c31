"""Identifiers that look like Stripe's and are the same on every run: hashed from a name and a number, never random."""

import hashlib
import string

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

TYPES_BY_PREFIX = {
    "cus": "customer",
    "ch": "charge",
    "in": "invoice",
    "inpay": "invoice_payment",
    "sub": "subscription",
    "sub_sched": "subscription_schedule",
    "pi": "payment_intent",
    "pm": "payment_method",
    "card": "card",
    "price": "price",
    "prod": "product",
    "re": "refund",
    "du": "dispute",
    "di": "discount",
    "cs": "checkout.session",
    "evt": "event",
    "we": "webhook_endpoint",
}
TAIL_LENGTHS = {"cus": 14, "prod": 14, "si": 14, "cs_test": 58, "cs_live": 58}


def scramble(seed: str, length: int) -> str:
    """`length` base-62 characters that depend on `seed` alone."""
    size = min(64, length)
    number = int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=size).digest(), "big")
    letters = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        letters.append(ALPHABET[digit])
    return "".join(letters)


def object_id(prefix: str, seed: str) -> str:
    """An id such as cus_… or sub_1…: `prefix` and a tail of the length Stripe uses for it."""
    return f"{prefix}_{scramble(f'{prefix}:{seed}', TAIL_LENGTHS.get(prefix, 24))}"


def type_of(object_id: str) -> str | None:
    """The object type an id's prefix speaks of, or None when the prefix is not one of ours."""
    known = TYPES_BY_PREFIX.get(object_id.rpartition("_")[0])
    return known or TYPES_BY_PREFIX.get(object_id.partition("_")[0])
