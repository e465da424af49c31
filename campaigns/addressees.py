"""Whom a mail's header names, as people read it."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import getaddresses


@dataclass(frozen=True)
class Addressee:
    """`name` is empty where the header tells none."""

    name: str
    address: str


def in_header(text: str) -> list[Addressee]:
    """Of `"Ana López" <ana@example.com>, bob@example.com`. What is no address stays as it is written."""
    found = [Addressee(name, address) for name, address in getaddresses([text]) if address]
    return found or [Addressee("", text)]
