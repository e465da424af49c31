"""Where the pages of this app stand in the frame."""

from __future__ import annotations

from common import navigation


def register() -> None:
    navigation.register("People", "Segments", "segments:list", "list-filter", order=20)
