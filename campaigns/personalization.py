"""What a mail says of its recipient, checked before it is saved: with line and column, and with the reason."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from campaigns import tags
from campaigns.models import Campaign
from campaigns.templating import Problem, TemplateFault, analysis, parse, place

__all__ = ["Problem", "problems", "roots", "uses_event", "uses_order", "uses_recurring_payment"]

# A loop over the lines of an order is the only list there is.
ITEMS = "order.items"
ITEM_KEYS = ("name", "sku", "quantity", "amount")
_LOOP = re.compile(r"\{%-?\s*for\s+(\w+)\s+in\s+order\.items\b")
DIRECT_REASON = {
    tags.RECURRING_PAYMENT: (
        "Recurring payment tags cannot be used in a direct campaign: its recipients may have several recurring "
        "payments or none. Use an automated campaign, sent by an automation that starts with a recurring payment "
        "trigger."
    ),
    tags.ORDER: (
        "Order tags cannot be used in a direct campaign, as it is about no order. Use an automated campaign, sent by "
        "an automation that starts with an order."
    ),
    tags.EVENT: ("Event tags cannot be used in a direct campaign, as no event starts it. Use an automated campaign."),
}


def problems(source: str, *, kind: str, is_html: bool = True) -> list[Problem]:
    """Everything that keeps this text from being sent by a campaign of this kind, in order of place.

    Syntax that cannot be read is one problem; else each unknown or refused tag is one.
    """
    try:
        template = parse(source, is_html=is_html)
        used = analysis(template, source)
    except TemplateFault as fault:
        return [fault.problem]
    found = [*_unknown_filters(source, used, is_html), *_refused(source, used, kind), *_unknown_of_items(source, used)]
    return sorted(found, key=lambda problem: (problem.line, problem.column))


def roots(campaign: Campaign) -> set[str]:
    """What the mail speaks of: contact, recurring_payment, order, event, workspace."""
    return {root for source in campaign.sources for root in _roots(source)}


def uses_recurring_payment(campaign: Campaign) -> bool:
    """Whether only an automation that starts with a recurring payment trigger can send it."""
    return tags.RECURRING_PAYMENT in roots(campaign)


def uses_order(campaign: Campaign) -> bool:
    """Whether only an automation that starts with an order can send it."""
    return tags.ORDER in roots(campaign)


def uses_event(campaign: Campaign) -> bool:
    return tags.EVENT in roots(campaign)


def _roots(source: str) -> set[str]:
    try:
        return set(analysis(parse(source, is_html=True), source).globals)
    except TemplateFault:
        return set()


def _refused(source: str, used: Any, kind: str) -> Iterator[Problem]:
    known = {tag.path for tag in tags.tags()}
    for root, variables in used.globals.items():
        for variable in variables:
            line, column = place(source, variable.span.index)
            if kind == Campaign.Kind.DIRECT and root in DIRECT_REASON:
                yield Problem(line, column, DIRECT_REASON[root])
            elif not _is_known(variable.segments, known):
                yield Problem(line, column, _unknown(str(variable), known))


def _unknown_of_items(source: str, used: Any) -> Iterator[Problem]:
    """`{{ item.nmae }}` in a loop over the lines of an order, whatever the loop calls them."""
    for name in sorted(set(_LOOP.findall(source))):
        known = {f"{name}.{key}" for key in ITEM_KEYS}
        for variable in used.variables.get(name, ()):
            path = ".".join(str(segment) for segment in variable.segments)
            if path not in known:
                line, column = place(source, variable.span.index)
                yield Problem(line, column, _unknown(path, known))


def _is_known(segments: list[Any], known: set[str]) -> bool:
    if not all(isinstance(segment, str) for segment in segments):
        return segments[:2] == ["order", "items"]
    path = ".".join(segments)
    # What an event brings is for its trigger to say.
    return path in known or path == ITEMS or (segments[0] == tags.EVENT and len(segments) == 2)


def _unknown(path: str, known: set[str]) -> str:
    near = difflib.get_close_matches(path, known, n=1)
    hint = f" Did you mean “{near[0]}”?" if near else ""
    return f"There is no tag “{path}”.{hint}"


def _unknown_filters(source: str, used: Any, is_html: bool) -> Iterator[Problem]:
    """The library looks filters up when it renders; people want to know before."""
    available = parse("", is_html=is_html).env.filters
    for name, spans in used.filters.items():
        if name not in available:
            for span in spans:
                line, column = place(source, span.index)
                yield Problem(line, column, f"There is no filter “{name}”.")
