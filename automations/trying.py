"""A trigger tried on what really happened: what it would have started on, and why not on the rest. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from automations.declarations import Sample, Trigger
from automations.triggers import sampling
from contacts.models import Activity, Contact
from segments import conditions
from segments.compiling import contacts_matching

SHOWN = 5
_OTHERS = 3


@dataclass(frozen=True)
class Try:
    """`reason` says why it would not have started; "" when it would."""

    sample: Sample
    contact: Contact | None
    reason: str = ""

    @property
    def starts(self) -> bool:
        return not self.reason


def tries(declared: Trigger, one: dict[str, Any], *, is_test: bool) -> list[Try]:
    """The newest it would have started on, then some of the same kind that it would not."""
    parameters = one.get("parameters", {})
    fitting = declared.samples(parameters)[:SHOWN]
    contacts = _contacts(fitting)
    found = [
        Try(sample, contact, _refused(contact, one.get("conditions"), is_test=is_test))
        for sample in fitting
        for contact in [contacts.get(sample.contact_id or 0)]
    ]
    others = list(_others(declared, {sample.activity_id for sample in fitting}, parameters))
    contacts = _contacts(others)
    return found + [
        Try(sample, contacts.get(sample.contact_id or 0), "It is not what the trigger asks for.") for sample in others
    ]


def _contacts(samples: list[Sample]) -> dict[int, Contact]:
    return Contact.objects.in_bulk([sample.contact_id for sample in samples if sample.contact_id])


def _refused(contact: Contact | None, tree: Any, *, is_test: bool) -> str:
    """Why somebody would not enter although the trigger fits."""
    if contact is None:
        return "No contact is known for it."
    if contact.is_test != is_test:
        if is_test:
            return "It happened to a real contact, and this automation is for test mode."
        return "It happened in test mode, and this automation is for real contacts."
    if not tree:
        return ""
    try:
        group = conditions.parse(tree)
    except conditions.ConditionError as error:
        return str(error)
    matching = contacts_matching(group, test=is_test).filter(pk=contact.pk).exists()
    return "" if matching else "The contact does not match the conditions now."


def _others(declared: Trigger, known: set[int | None], parameters: dict[str, Any]) -> Iterator[Sample]:
    """The newest activities it listens to but would not start on."""
    if not declared.kinds:
        return
    newest = Activity.objects.order_by("-pk").values("pk")[: sampling.LOOKED_AT]
    listened = Activity.objects.filter(pk__in=newest, kind__in=declared.kinds).exclude(
        pk__in=[pk for pk in known if pk]
    )
    shown = 0
    for activity in listened.select_related("contact").order_by("-pk")[:200]:
        if shown == _OTHERS:
            return
        fits = declared.matches(activity, parameters)
        if not fits or (declared.among and activity.pk not in declared.among([activity], parameters)):
            shown += 1
            yield sampling.of_activity(activity)
