"""A full name as first and last name."""

from __future__ import annotations

from functools import lru_cache

from nameparser import HumanName
from nameparser.config import Constants

# Middle names go to the last name, so that nothing of “Ana María López García” is dropped.
_rules = Constants()
_rules.middle_name_as_last = True


@lru_cache(maxsize=20_000)
def split_name(full: str) -> tuple[str, str]:
    """("Ada", "de la Cruz") for "Ada de la Cruz". A single word is a first name. Nothing of the text is lost."""
    text = " ".join(full.split())
    if " " not in text:
        return text, ""
    parsed = HumanName(text, constants=_rules)
    first = " ".join(part for part in (parsed.title, parsed.first) if part)
    last = " ".join(part for part in (parsed.last, parsed.suffix) if part)
    if parsed.nickname or not first or len(first) + len(last) + 1 < len(text.replace(",", "")):
        first, _, last = text.partition(" ")
    return first, last
