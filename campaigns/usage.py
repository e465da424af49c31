"""What sends a campaign by itself. Automations register how to find theirs, so that no mail is broken or put away under
one that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from campaigns import tags
from campaigns.models import Campaign
from campaigns.personalization import roots

_WORDS = {
    tags.RECURRING_PAYMENT: "recurring payment tags",
    tags.ORDER: "order tags",
    tags.EVENT: "event tags",
}


@dataclass(frozen=True)
class Use:
    """`label` and `url` name and open what sends it; `brings`: what the mail may speak of there."""

    label: str
    url: str
    brings: frozenset[str]


Finder = Callable[[int], Iterable[Use]]
_finders: dict[str, Finder] = {}


def register(key: str, finder: Finder) -> None:
    """`finder` gets a campaign's primary key and answers what sends it now. The same key again replaces it."""
    _finders[key] = finder


def uses(campaign: Campaign) -> list[Use]:
    return [use for finder in _finders.values() for use in finder(campaign.pk)] if campaign.pk else []


def broken_uses(campaign: Campaign, content: Campaign) -> list[str]:
    """Why what sends `campaign` could not send it with the sources of `content`, in words."""
    spoken_of = roots(content)
    return [
        f"“{use.label}” sends this mail and starts with nothing that fills {words}. Take them out of the mail, or "
        "change what starts the automation first."
        for use in uses(campaign)
        for root, words in _WORDS.items()
        if root in spoken_of and root not in use.brings
    ]
