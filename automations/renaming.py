"""Automations name tags, in triggers, steps and conditions, so they follow when a tag gets another name."""

from __future__ import annotations

from typing import Any

from django.db.models import F

from automations.models import Automation, AutomationVersion
from segments.renaming import with_tag_renamed

_PARTS = ("triggers", "steps", "exit_conditions")


def tag_renamed(before: str, after: str) -> None:
    """Drafts and versions, as contacts finish on the version they entered. Within the transaction of the renaming."""
    for automation in Automation.objects.order_by("pk").select_for_update(no_key=True):
        if changed := _changed(automation, before, after):
            # Who has the draft open with the old name notices.
            Automation.objects.filter(pk=automation.pk).update(**changed, revision=F("revision") + 1)
    for version in AutomationVersion.objects.order_by("pk").iterator(100):
        if changed := _changed(version, before, after):
            AutomationVersion.objects.filter(pk=version.pk).update(**changed)


def _changed(flow: Automation | AutomationVersion, before: str, after: str) -> dict[str, Any]:
    parts = {name: getattr(flow, name) for name in _PARTS}
    renamed = {name: _parameters(with_tag_renamed(part, before, after), before, after) for name, part in parts.items()}
    return {name: part for name, part in renamed.items() if part != parts[name]}


def _parameters(data: Any, before: str, after: str) -> Any:
    """The same tree where triggers and steps have the new name among their parameters."""
    if isinstance(data, list):
        return [_parameters(one, before, after) for one in data]
    if not isinstance(data, dict):
        return data
    found = {key: _parameters(value, before, after) for key, value in data.items()}
    given = found.get("parameters")
    if isinstance(given, dict) and given.get("tag") == before:
        found["parameters"] = {**given, "tag": after}
    return found
