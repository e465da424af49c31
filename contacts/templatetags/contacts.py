"""Small pieces of the pages of contacts."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from contacts.facts import USER_SLOT
from contacts.forms import RESERVED
from contacts.models import Contact, Tag

register = template.Library()


@register.simple_tag(takes_context=True)
def sort_link(context: dict[str, Any], name: str, words: str, sort: str) -> SafeString:
    """A link in a table's head that sorts by `name`; again turns the order round, newest first for times."""
    falling = name in ("created", "updated")
    first, second = (f"-{name}", name) if falling else (name, f"-{name}")
    query = context["request"].GET.copy()
    query.pop("page", None)
    query["sort"] = second if sort == first else first
    look = "" if sort in (first, second) else SafeString(' class="unsorted"')
    return format_html('<a href="?{}"{}>{}</a>', query.urlencode(), look, words)


@register.simple_tag
def aria_sort(sort: str, *names: str) -> SafeString:
    """The attribute for a head whose column is sorted by one of these names."""
    if sort.removeprefix("-") not in names:
        return SafeString("")
    return SafeString(f' aria-sort="{"descending" if sort.startswith("-") else "ascending"}"')


@register.simple_tag
def querystring_of(**values: Any) -> str:
    return "?" + urlencode(values)


@register.filter
def sources(contact: Contact) -> list[str]:
    """Names of the sources that know this contact, each once: as a customer, or as a guest of whom it told something.

    Reads the prefetched identities and `slots` (see `ContactQuerySet.with_slots`).
    """
    told = {slot.partition(":")[0] for slot in getattr(contact, "slots", ()) if slot != USER_SLOT}
    return sorted({name.capitalize() for name in told | {identity.source for identity in contact.identities.all()}})


@register.filter
def tags_by_meaning(contact: Contact) -> list[Tag]:
    """People's own tags first: every synced contact has those of the integration."""
    return sorted(contact.tags.all(), key=lambda tag: (tag.name.startswith(RESERVED), tag.name))


@register.filter
def made_by_integration(name: str) -> bool:
    return name.startswith(RESERVED)


@register.filter
def is_filled(value: Any) -> bool:
    return value is not None and value not in ("", [])


@register.filter
def plain(value: Any) -> str:
    """A stored value in a table of changes."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
