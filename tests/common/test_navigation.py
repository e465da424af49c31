"""The sidebar: only what exists, only what the role may see, and where one is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import RequestFactory

from common import navigation
from users.models import Role, User


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    kept = dict(navigation._entries)
    navigation._entries.clear()
    yield
    navigation._entries.clear()
    navigation._entries.update(kept)


def asked(path: str = "/", role: Role | None = None) -> HttpRequest:
    request = RequestFactory().get(path)
    request.user = User(role=role) if role else AnonymousUser()
    return request


def labels(request: HttpRequest) -> list[tuple[str, list[str]]]:
    groups = navigation.navigation(request)["navigation"]()
    return [(group, [entry.label for entry in entries]) for group, entries in groups]


def test_an_entry_without_a_page_is_hidden_and_so_is_its_group() -> None:
    navigation.register("Revenue", "Quotes", "no:such-page", "file-text")
    navigation.register("People", "Health", "health", "users")
    assert labels(asked()) == [("People", ["Health"])]


def test_entries_stand_in_their_order() -> None:
    navigation.register("People", "Second", "health", "users", order=20)
    navigation.register("People", "First", "account_login", "users", order=10)
    assert labels(asked()) == [("People", ["First", "Second"])]


def test_the_entry_of_a_page_below_it_is_current() -> None:
    navigation.register("People", "Health", "health", "users")
    shown = navigation.navigation(asked("/health/details/"))["navigation"]()
    assert shown[0][1][0].current
    assert not navigation.navigation(asked("/other/"))["navigation"]()[0][1][0].current


def test_a_role_hides_an_entry_from_those_below() -> None:
    navigation.register("People", "Users", "health", "users", role="admin")
    assert labels(asked(role=Role.MARKETER)) == []
    assert labels(asked(role=Role.ADMIN)) == [("People", ["Users"])]


def test_a_count_of_nothing_is_not_shown() -> None:
    navigation.register("People", "Health", "health", "users", counter=lambda request: 0, attention=lambda request: 3)
    entry = navigation.navigation(asked())["navigation"]()[0][1][0]
    assert (entry.count, entry.attention) == (None, 3)


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(ValueError, match="Sales"):
        navigation.register("Sales", "Deals", "health", "users")


@pytest.mark.parametrize(("cookie", "theme"), [("dark", "dark"), ("light", "light"), ('"><script>', ""), ("", "")])
def test_only_a_known_theme_reaches_the_page(cookie: str, theme: str) -> None:
    request = asked()
    request.COOKIES["theme"] = cookie
    assert navigation.navigation(request)["theme"] == theme
