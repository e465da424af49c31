"""Accounts are made by invitation only; the link is shown to who invites, because there may be no mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.conftest import PASSWORD
from users.models import AuditEntry, Invitation, Role, User

ANSWERS = {"name": "Nora New", "password": PASSWORD}


def shown_link(client: Client) -> str:
    """The path in the link that the users page shows."""
    page = client.get(reverse("users:people")).content.decode()
    found = re.search(r'value="http://127\.0\.0\.1:8000(/invitation/[^"]+)"', page)
    assert found, "the page shows no link"
    return found.group(1)


@pytest.fixture
def link(admin_client: Client) -> str:
    response = admin_client.post(reverse("users:invite"), {"email": "Nora@Example.com", "role": "marketer"})
    assert response.status_code == 302
    return shown_link(admin_client)


def test_the_link_makes_an_account_with_the_role_and_signs_in(link: str, client: Client) -> None:
    assert client.get(link).status_code == 200
    response = client.post(link, ANSWERS)
    assert (response.status_code, response["Location"]) == (302, "/")
    user = User.objects.get(email="nora@example.com")
    assert (user.name, user.role) == ("Nora New", Role.MARKETER)
    assert client.session["_auth_user_id"] == str(user.pk)


def test_a_link_works_once(link: str, client: Client) -> None:
    client.post(link, ANSWERS)
    again = Client().post(link, {**ANSWERS, "password": "another password entirely"})
    assert again.status_code == 404
    assert User.objects.get(email="nora@example.com").check_password(PASSWORD)


def test_opening_a_link_uses_nothing_up(link: str, client: Client) -> None:
    for _ in range(3):
        assert client.get(link).status_code == 200


def test_a_link_is_shown_only_once(link: str, admin_client: Client) -> None:
    assert link not in admin_client.get(reverse("users:people")).content.decode()


def test_the_database_holds_no_token(link: str) -> None:
    token = link.split("/")[2]
    with connection.cursor() as cursor:
        cursor.execute("SELECT invitation::text FROM users_invitation invitation")
        assert token not in str(cursor.fetchall())


def test_a_link_ends_after_a_week(link: str, client: Client) -> None:
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(link).status_code == 404


def test_a_revoked_link_no_longer_works(link: str, admin_client: Client, client: Client) -> None:
    invitation = Invitation.objects.get()
    admin_client.post(reverse("users:revoke_invitation", args=[invitation.pk]))
    assert client.get(link).status_code == 404


def test_a_second_invitation_replaces_the_first(link: str, admin_client: Client, client: Client) -> None:
    admin_client.post(reverse("users:invite"), {"email": "nora@example.com", "role": "staff"})
    assert client.get(link).status_code == 404
    assert client.get(shown_link(admin_client)).status_code == 200


def test_a_weak_password_is_refused_beside_its_field(link: str, client: Client) -> None:
    response = client.post(link, {"name": "Nora", "password": "password"})
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"password"}
    assert not User.objects.filter(email="nora@example.com").exists()


def test_the_invited_cannot_choose_another_role_or_address(link: str, client: Client) -> None:
    client.post(link, {**ANSWERS, "role": "admin", "email": "other@example.com", "is_active": "1"})
    assert User.objects.get(email="nora@example.com").role == Role.MARKETER
    assert not User.objects.filter(email="other@example.com").exists()


def test_somebody_who_has_an_account_is_not_invited_again(admin_client: Client, staff: User) -> None:
    response = admin_client.post(reverse("users:invite"), {"email": staff.email.upper(), "role": "admin"})
    assert response.status_code == 422
    assert "already has an account" in response.content.decode()


def test_a_password_link_sets_a_new_password_and_ends_old_sessions(
    admin_client: Client, staff: User, staff_client: Client, client: Client
) -> None:
    admin_client.post(reverse("users:password_link", args=[staff.pk]))
    client.post(shown_link(admin_client), {"name": staff.name, "password": "a new password for Sam"})
    staff.refresh_from_db()
    assert staff.check_password("a new password for Sam")
    assert staff.role == Role.STAFF
    assert staff_client.get(reverse("users:profile")).status_code == 302
    assert client.get(reverse("users:profile")).status_code == 200


def test_a_password_link_lets_nobody_in_who_was_deactivated_meanwhile(
    admin_client: Client, staff: User, client: Client
) -> None:
    admin_client.post(reverse("users:password_link", args=[staff.pk]))
    link = shown_link(admin_client)
    admin_client.post(reverse("users:deactivate", args=[staff.pk]))
    client.post(link, {"name": "", "password": "a new password for Sam"})
    assert client.get(reverse("users:profile")).status_code == 302


def test_inviting_is_written_down(link: str, admin: User) -> None:
    entry = AuditEntry.objects.get(action="invited")
    assert (entry.who, entry.object_label, entry.changes) == (
        admin.email,
        "nora@example.com",
        {"role": {"new": "marketer"}},
    )


# --- The way in when nobody can sign in ---


def printed_link(*arguments: str) -> str:
    out = StringIO()
    call_command("create_admin", *arguments, stdout=out)
    found = re.search(r"http://127\.0\.0\.1:8000(/\S+)", out.getvalue())
    return found.group(1) if found else ""


@pytest.mark.django_db
def test_create_admin_prints_a_link_for_an_admin(client: Client) -> None:
    client.post(printed_link("ada@example.com"), {"name": "Ada", "password": PASSWORD})
    assert User.objects.get(email="ada@example.com").role == Role.ADMIN


@pytest.mark.django_db
def test_on_the_first_start_the_admin_names_the_address(client: Client) -> None:
    link = printed_link("--first")
    assert client.post(link, ANSWERS).status_code == 422
    client.post(link, {**ANSWERS, "email": "First@Example.com"})
    assert User.objects.get().email == "first@example.com"


def test_a_first_link_is_made_only_while_there_is_nobody(staff: User) -> None:
    assert printed_link("--first") == ""


@pytest.mark.django_db
def test_the_first_link_cannot_take_over_an_account(make_user: Callable[..., User], client: Client) -> None:
    link = printed_link("--first")
    known = make_user(Role.ADMIN, email="known@example.com")
    response = client.post(link, {**ANSWERS, "email": "Known@example.com", "password": "a password of a thief"})
    assert response.status_code == 422
    known.refresh_from_db()
    assert known.check_password(PASSWORD)


@pytest.mark.django_db
@pytest.mark.parametrize("arguments", [[], ["no address"]])
def test_create_admin_asks_for_an_address(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="email address"):
        call_command("create_admin", *arguments)
