"""The HTML of a mail, cleaned: what mails need stays, what runs or loads anything but pictures goes.

Cleaned after the tags are filled, because Liquid between table rows is no HTML yet.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

import nh3

from campaigns.styles import filtered, refused

_NAMES = (
    "a abbr address article aside b big blockquote br caption center cite code col colgroup dd del div dl dt em "
    "figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp "
    "section small span strike strong style sub sup table tbody td tfoot th thead time tr tt u ul wbr"
)
_TAGS = frozenset(_NAMES.split())
_CELL = {"align", "valign", "width", "height", "bgcolor", "background", "colspan", "rowspan", "nowrap", "scope"}
_ATTRIBUTES = {
    "*": {"style", "class", "id", "dir", "lang", "title", "align", "role", "aria-label", "aria-hidden"},
    "a": {"href", "name", "target"},
    "img": {"src", "alt", "width", "height", "border", "hspace", "vspace"},
    "table": {*_CELL, "border", "cellpadding", "cellspacing", "summary"},
    "td": _CELL,
    "th": _CELL,
    "tr": {"align", "valign", "bgcolor", "height"},
    "tbody": {"align", "valign"},
    "col": {"span", "width", "align"},
    "colgroup": {"span", "width", "align"},
    "font": {"color", "face", "size"},
    "hr": {"size", "width", "color", "noshade"},
    "ol": {"start", "type"},
    "style": {"type", "media"},
    "time": {"datetime"},
}
_STYLE = re.compile(r'(<style(?:\s+[\w:-]+="[^"]*")*\s*>)(.*?)(</style>|\Z)', re.DOTALL | re.IGNORECASE)
# What people may wonder about when it is gone from their mail.
_TOLD = ("script", "iframe", "object", "embed", "form", "input", "button", "video", "audio", "svg", "link", "base")


def clean(html: str) -> str:
    """Safe to show and to send."""
    cleaned = _cleaned(html)
    styled = _STYLE.sub(lambda found: found[1] + filtered(found[2]) + found[3], cleaned)
    # Again where something went: it may have stood in what only looked like a style element.
    return cleaned if styled == cleaned else _cleaned(styled)


def _cleaned(html: str) -> str:
    return nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags={"script", "title", "template", "object", "iframe", "noscript", "svg", "math"},
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        attribute_filter=_filter,
        url_schemes={"https", "http", "mailto", "tel"},
        link_rel=None,
        strip_comments=True,
    )


def removed(html: str) -> list[str]:
    """Names of the elements in it that no mail will have, each once."""
    finder = _Finder()
    finder.feed(html)
    finder.close()
    return sorted(finder.found)


def refused_styles(html: str) -> list[str]:
    """What styles in it, elements and attributes, are left out for as a whole, each once: `behavior:`."""
    finder = _Finder()
    finder.feed(html)
    finder.close()
    return sorted({why for css in finder.styles if (why := refused(css))})


class _Finder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.styles: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _TOLD:
            self.found.add(tag)
        self.styles += [value for name, value in attrs if name == "style" and value]
        self._in_style = tag == "style"
        if self._in_style:
            self.styles.append("")

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.styles[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False


def _filter(tag: str, name: str, value: str) -> str | None:
    if name == "style":
        return filtered(value) or None
    # Pictures only by https: others would be blocked, or would tell everybody on the way what was read.
    if name in ("src", "background"):
        return value if value.startswith("https://") else None
    return value
