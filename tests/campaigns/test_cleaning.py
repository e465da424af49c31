"""The HTML of a mail: what it needs stays, what runs or loads anything but pictures goes."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest

from campaigns.cleaning import clean, refused_styles

LOOK = "@media (max-width:600px) { .column { width:100% !important; background:url(https://example.com/a.png) } }"


def style(css: str) -> str:
    return f"<style>{css}</style>"


def test_looks_stay_as_they_are() -> None:
    html = f'{style(LOOK)}<p style="color:red;background:url(&quot;https://example.com/a.png&quot;)">Hello</p>'
    assert LOOK in clean(html) and "https://example.com/a.png" in clean(html).partition("</style>")[2]
    assert 'content: "\\201C"' in clean(style('q::before { content: "\\201C" }'))


@pytest.mark.parametrize(
    "css",
    [
        "@import url(https://evil.example/a.css?family=Inter:wght@400;700);",
        "@import 'http://evil.example/a.css';",
        "@IMPORT/**/ url(//evil.example/a.css)",
        "@font-face { font-family: x; src: url(https://evil.example/x.woff2) }",
        "p { background: url(http://evil.example/a.png) }",
        "p { background: url( '//evil.example/a.png' ) }",
        "p { background: url(http://evil.example/a.png",
        "@\\69mport url(https://evil.example/a.css);",
        "p { background: u\\72l(http://evil.example/a.png) }",
        "p { background: image-set('http://evil.example/a.png' 1x) }",
        "p { width: exp/**/ression(evil.example) }",
        "p { color: red; behavior: url(https://evil.example/a.htc) }",
        "p { -ms-behavior : url(https://evil.example/a.htc) }",
        "p { _behavior: url(https://evil.example/a.htc) }",
        "/* @import 'https://evil.example/a.css';",
    ],
)
def test_a_style_loads_nothing_but_pictures(css: str) -> None:
    """In an element as in an attribute."""
    assert "evil" not in clean(style(css))
    assert "evil" not in clean(f'<p style="{css}">Hello</p>')


def test_what_goes_takes_nothing_else_along() -> None:
    """As mails from the usual editors begin: with a font from somewhere, then their look."""
    font = "@import url('https://fonts.example/css2?family=Inter:wght@400;700&display=swap');"
    face = "@font-face { font-family: Inter; src: url(https://fonts.example/i.woff2) format('woff2'); }"
    assert clean(style(f"{font} {face} {LOOK}")) == style(f"  {LOOK}")
    assert clean(style("p { color: red; background: url(http://example.com/a.png) }")) == style(
        "p { color: red; background: none }"
    )


@pytest.mark.parametrize("name", ["scroll-behavior", "overscroll-behavior"])
def test_a_property_that_ends_like_an_active_one_stays(name: str) -> None:
    css = f"html {{ {name}: smooth }} p {{ color: red }}"
    assert clean(style(css)) == style(css) and refused_styles(style(css)) == []


def test_the_author_is_told_why_a_style_is_left_out() -> None:
    html = f"""{style(LOOK)}{style("p { behavior: url(#x) }")}<p style="width:expression(1)">Hello</p>"""
    assert refused_styles(html) == ["behavior:", "expression("]


def test_what_only_looks_like_a_style_opens_no_way() -> None:
    """Taking CSS out of an attribute must not let what stands in the next one out as markup."""
    hostile = '<p title="<style>@import ">x</p><p title="; \'> <img src=x onerror=alert(1)>">y</p><style>p{}</style>'
    parsed = Elements()
    parsed.feed(clean(hostile))
    assert parsed.names <= {"p", "style"}


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        assert not {name for name, _ in attrs} - {"title", "style"}


def test_long_styles_are_read_quickly() -> None:
    began = time.monotonic()
    for css in ("url(" * 40_000, "@import " * 20_000, "/*" * 80_000, "@font-face{" * 15_000, "<style>" * 20_000):
        clean(style(css))
    assert time.monotonic() - began < 5
