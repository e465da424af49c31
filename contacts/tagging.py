"""Tags on contacts, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from common import rows
from contacts.models import Contact, ContactTag, Tag

_keepers: list[Callable[[str, str], None]] = []


def keep_names(keeper: Callable[[str, str], None]) -> None:
    """Apps that keep names of tags register in `AppConfig.ready()` who changes them: it gets the old and the new one,
    within the transaction of the renaming.
    """
    if keeper not in _keepers:
        _keepers.append(keeper)


def renamed(before: str, after: str) -> None:
    """A tag has a new name: tell who keeps names."""
    for keeper in _keepers:
        keeper(before, after)


def add_tags(wanted: Iterable[tuple[Contact, Iterable[str]]]) -> set[tuple[int, str]]:
    """Put the tags on the contacts; a tag already there stays. Returns the (contact id, tag name) pairs added now."""
    pairs = sorted({(contact.pk, name[:150]) for contact, names in wanted for name in names})
    tags = tags_named({name for _, name in pairs})
    present = set(
        ContactTag.objects.filter(contact_id__one_of={pk for pk, _ in pairs}, tag__in=tags.values()).values_list(
            "contact_id", "tag__name"
        )
    )
    missing = [pair for pair in pairs if pair not in present]
    rows.insert(
        [rows.made(ContactTag, contact_id=pk, tag_id=tags[name].pk) for pk, name in missing],
        conflict="on conflict (contact_id, tag_id) do nothing",
    )
    return set(missing)


def tags_named(names: set[str]) -> dict[str, Tag]:
    """Tags by name; those that do not exist are made."""
    found = {tag.name: tag for tag in Tag.objects.filter(name__in=names)}
    missing = sorted(names - found.keys())
    if missing:
        Tag.objects.bulk_create([Tag(name=name) for name in missing], ignore_conflicts=True)
        found |= {tag.name: tag for tag in Tag.objects.filter(name__in=missing)}
    return found
