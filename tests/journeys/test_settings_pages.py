"""Settings pages in both themes and at both widths: axe finds nothing, and nothing scrolls sideways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from users import accounts
from users.models import Role, User

pytest.importorskip("playwright")
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = ["/settings/profile/", "/settings/users/", "/settings/users/invite/", "/settings/audit-log/"]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_settings_can_be_used_by_everybody(
    open_page: Callable[..., Any], admin: User, staff: User, theme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    accounts.invite(admin, "nora.with.a.very.long.address.indeed@department.example.com", Role.MARKETER)
    page = open_page(admin, PAGES[0], color_scheme=theme, viewport={"width": width, "height": 900})
    for path in PAGES:
        page.goto(path)
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
