"""A mail's HTML as plain text, for those who read mails without it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCK_NAMES = (
    "address article blockquote center div dl dt dd fieldset footer form h1 h2 h3 h4 h5 h6 header hr main nav ol p "
    "pre section table ul"
)
_PARAGRAPH_NAMES = "p h1 h2 h3 h4 h5 h6 ul ol blockquote table pre"
_BLOCKS, _PARAGRAPHS = frozenset(_BLOCK_NAMES.split()), frozenset(_PARAGRAPH_NAMES.split())
_SILENT = frozenset({"style", "script", "head", "title", "template"})
_SPACE = re.compile(r"[ \t\r\n\f]+")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent = 0
        self._links: list[tuple[str, int]] = []
        self._lists: list[int | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = dict(attrs)
        if tag in _SILENT:
            self._silent += 1
        elif tag == "br":
            self.pieces.append("\n")
        elif tag == "hr":
            self.pieces.append("\n\n---\n\n")
        elif tag == "img" and about.get("alt"):
            self.pieces.append(about["alt"] or "")
        elif tag == "a":
            self._links.append((about.get("href") or "", len(self.pieces)))
        elif tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else None)
            self.pieces.append("\n\n")
        elif tag == "li":
            self._item()
        elif tag == "tr":
            self.pieces.append("\n")
        elif tag in ("td", "th"):
            self.pieces.append(" ")
        elif tag in _BLOCKS:
            self.pieces.append("\n\n" if tag in _PARAGRAPHS else "\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "a" and self._links:
            self._close_link()
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
            self.pieces.append("\n\n")
        elif tag in _BLOCKS:
            self.pieces.append("\n\n" if tag in _PARAGRAPHS else "\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(_SPACE.sub(" ", data))

    def _item(self) -> None:
        count = self._lists[-1] if self._lists else None
        if count is None:
            self.pieces.append("\n- ")
        else:
            self._lists[-1] = count + 1
            self.pieces.append(f"\n{count + 1}. ")

    def _close_link(self) -> None:
        href, begins = self._links.pop()
        words = "".join(self.pieces[begins:]).strip()
        target = href.removeprefix("mailto:")
        if href.startswith(("https://", "http://", "mailto:")) and target != words:
            self.pieces.append(f" ({target})" if words else target)


def from_html(html: str) -> str:
    """Paragraphs apart, lists with marks, links with their address behind the words."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = [line.strip() for line in "".join(reader.pieces).splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
