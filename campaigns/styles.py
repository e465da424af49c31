"""The CSS of a mail: what it looks like stays, what runs or loads anything but pictures goes."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)
_NAMED = r"""(?:url\(\s*(?:"[^"]*"|'[^']*'|[^)]*)\s*\)|"[^"]*"|'[^']*')?"""
_IMPORT = re.compile(rf"@import\s*{_NAMED}[^;{{}}]*;?", re.IGNORECASE)
_FONT = re.compile(r"@font-face\s*\{[^}]*\}?", re.IGNORECASE)
_URL = re.compile(r"""url\(\s*("[^"]*"|'[^']*'|[^)]*)\s*(?:\)|$)""", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(?:([0-9a-f]{1,6})\s?|(.))", re.IGNORECASE | re.DOTALL)
# Read by old mail programs as a script, or a way to load that is none of the above.
_ACTIVE = re.compile(
    r"(?<![a-z0-9-])expression\s*\(|javascript:|vbscript:|-moz-binding|@import|@font-face|image-set\s*\(|\bsrc\s*\(|"
    # Also as the old ones took it for a property of theirs: -ms-behavior, _behavior. Not scroll-behavior.
    r"(?<![a-z0-9-])(?:-ms-|[-_])?behavior\s*:",
    re.IGNORECASE,
)


def filtered(css: str) -> str:
    """Of a style element or attribute. Pictures only by https; "" where something else is left that could load."""
    css = _stripped(css)
    return "" if _refusal(css) else css


def refused(css: str) -> str:
    """What `filtered` leaves this style out for, in the words of the style; "" where it stays."""
    return _refusal(_stripped(css))


def _stripped(css: str) -> str:
    return _URL.sub(_picture, _FONT.sub("", _IMPORT.sub("", _COMMENT.sub("", css))))


def _refusal(css: str) -> str:
    plain = _COMMENT.sub("", _ESCAPE.sub(_letter, css))
    if found := _ACTIVE.search(plain):
        return found[0]
    return next((found[0] for found in _URL.finditer(plain) if not _is_picture(found[1])), "")


def _picture(match: re.Match[str]) -> str:
    return match[0] if _is_picture(match[1]) else "none"


def _is_picture(target: str) -> bool:
    return target.strip("\"' \t\r\n\f").lower().startswith(("https://", "data:image/"))


def _letter(match: re.Match[str]) -> str:
    """What a backslash stands for: `@\\69mport` is read as an import."""
    if not match[1]:
        return match[2]
    number = int(match[1], 16)
    return chr(number) if 0 < number < 0x110000 else ""
