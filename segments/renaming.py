"""Conditions name tags, so they follow when a tag gets another name."""

from __future__ import annotations

from typing import Any

from segments.fields import TAG
from segments.models import Segment


def tag_renamed(before: str, after: str) -> None:
    """Segments that ask for the tag ask for its new name. Call it inside the transaction of the renaming."""
    for segment in Segment.objects.select_for_update():
        conditions = with_tag_renamed(segment.conditions, before, after)
        if conditions != segment.conditions:
            segment.conditions = conditions
            segment.save(update_fields=["conditions", "updated_at"])


def with_tag_renamed(data: Any, before: str, after: str) -> Any:
    """Stored conditions, or anything that holds some, with the new name in place of the old."""
    if isinstance(data, list):
        return [with_tag_renamed(one, before, after) for one in data]
    if not isinstance(data, dict):
        return data
    if data.get("field") == TAG and data.get("value") == before:
        return {**data, "value": after}
    return {key: with_tag_renamed(value, before, after) for key, value in data.items()}
