"""How much room the frame of a mail gets. Nothing runs in it, so nobody can ask it how tall it is: its lines tell."""

from __future__ import annotations

import re

from campaigns import links, plain_text

# (this many lines at the most, this much room); a picture has lines of its own, and nobody knows how many.
_ROOM = ((8, "short"), (15, "medium"))
_TALL = "tall"
_LINE = 90
_ADDRESS = re.compile(r"\(?\bhttps?://\S+")


def room_for(html: str, text: str) -> str:
    """short, medium or tall: the end of a class of campaigns.css. `text` is looked at where there is no HTML."""
    shown = links.uncounted(html)
    if "<img" in shown:
        return _TALL
    lines = _lines(_ADDRESS.sub("", plain_text.from_html(shown)) if shown else text)
    return next((room for most, room in _ROOM if lines <= most), _TALL)


def _lines(text: str) -> int:
    return sum(-(-len(line) // _LINE) or 1 for line in text.splitlines())
