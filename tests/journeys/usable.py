"""Whether everybody can use a page: axe in light and dark, wide and narrow, and nothing that scrolls sideways."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# What else axe asks does not depend on colours and widths, so it is asked once.
_BY_LOOK = {"runOnly": {"type": "rule", "values": ["color-contrast", "target-size"]}}
LOOKS = (("light", 1440, RULES), ("dark", 390, _BY_LOOK))
NARROWEST = 320


def look(page: Any, name: str) -> None:
    """Keep a picture for people who want to look: PICTURES=folder bin/test tests/journeys."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def assert_usable(page: Any, name: str) -> None:
    """What is shown now, a dialog over it included. One load of the page serves all widths and themes."""
    from axe_playwright_python.sync_playwright import Axe

    for theme, width, rules in LOOKS:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        look(page, f"{name}-{width}-{theme}")
        found = Axe().run(page, options=rules)
        assert found.violations_count == 0, f"{name}, {theme}: {found.generate_report()}"
        assert_no_sideways_scroll(page, name, width)
    page.set_viewport_size({"width": NARROWEST, "height": 700})
    assert_no_sideways_scroll(page, name, NARROWEST)


def assert_no_sideways_scroll(page: Any, name: str, width: int) -> None:
    found = page.evaluate("document.documentElement.scrollWidth")
    assert found <= width, f"{name} is {found} pixels wide, of {width}"
