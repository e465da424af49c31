"""Believable people of many countries, each from a number: names in several parts, addresses, phones."""

import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .forms import Json

PLACES: list[Json] = tomllib.loads(Path(__file__).with_name("names.toml").read_text())["place"]

COMPANIES = (
    "Brightwell", "Lumen & Co", "Kite Works", "Fjord Labs", "Oak Street", "Papillon", "Nordlicht", "Tessera",
    "Blue Heron", "Quill", "Marmalade", "Copperfield", "Halcyon", "Juniper", "Ostrava Tools", "Solstice",
)  # fmt: skip
SUFFIXES = ("Studio", "GmbH", "Ltd", "Design", "Media", "Group", "Consulting", "SARL")


WITHOUT_DECOMPOSITION: dict[int, str] = {ord("ł"): "l", ord("Ł"): "L", ord("ß"): "ss", ord("ı"): "i"}


@dataclass(frozen=True)
class Person:
    name: str
    mailbox: str
    phone: str
    address: Json
    locale: str
    country: str
    company: str


def person(number: int) -> Person:
    """The person with this number; neighbours differ in country, name and town."""
    place = PLACES[(number * 7) % len(PLACES)]
    given = place["given"][number // len(PLACES) % len(place["given"])]
    family = place["family"][number // 3 % len(place["family"])]
    city, state, postal_code, street = place["towns"][number // 5 % len(place["towns"])]
    country = place["country"]
    company = f"{COMPANIES[number // 2 % len(COMPANIES)]} {SUFFIXES[number // 11 % len(SUFFIXES)]}"
    address = {
        "city": city,
        "country": country,
        "line1": street.format(1 + number * 13 % 180),
        "line2": f"Apt {1 + number % 40}" if number % 9 == 0 else None,
        "postal_code": postal_code,
        "state": state or None,
    }
    mailbox = f"{_plain(given)}.{_plain(family)}"
    phone = f"{place['dial']}{1000 + number * 37 % 9000}"
    return Person(f"{given} {family}", mailbox, phone, address, place["locale"], country, company)


@cache
def _plain(name: str) -> str:
    """A name as it stands in an e-mail address: no accents, blanks or quotes."""
    special = name.translate(WITHOUT_DECOMPOSITION)
    letters = unicodedata.normalize("NFKD", special).encode("ascii", "ignore").decode()
    return "".join(letter for letter in letters if letter.isalnum()).lower()
