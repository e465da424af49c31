"""Signing in and out, and what a stranger learns while trying."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from tests.conftest import PASSWORD
from users.models import User

SIGN_IN = "/sign-in/"


@pytest.fixture(autouse=True)
def fresh_limits(db: None) -> None:
    cache.clear()


def try_to_sign_in(client: Client, email: str, password: str = PASSWORD) -> bool:
    client.post(SIGN_IN, {"login": email, "password": password})
    return "_auth_user_id" in client.session


def test_the_address_in_any_case_and_the_password_let_in(client: Client, staff: User) -> None:
    assert try_to_sign_in(client, staff.email.upper())
    assert client.get(reverse("users:profile")).status_code == 200


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(client: Client, staff: User) -> None:
    answers = [
        client.post(SIGN_IN, {"login": email, "password": "wrong password"}).context["form"].errors
        for email in (staff.email, "nobody@example.com")
    ]
    assert answers[0] == answers[1]
    assert answers[0]


def test_somebody_deactivated_is_not_let_in(client: Client, make_user: Callable[..., User]) -> None:
    assert not try_to_sign_in(client, make_user("staff", is_active=False).email)


def test_guessing_is_stopped_even_for_the_right_password(client: Client, staff: User) -> None:
    for _ in range(12):
        client.post(SIGN_IN, {"login": staff.email, "password": "wrong password"})
    assert not try_to_sign_in(client, staff.email)


def test_passwords_are_asked_for_in_sentence_case(staff_client: Client, client: Client, staff: User) -> None:
    key = {"uidb36": user_pk_to_url_str(staff), "key": default_token_generator.make_token(staff)}
    forgotten = client.get(reverse("account_reset_password_from_key", kwargs=key), follow=True)
    changed = staff_client.get(reverse("account_change_password"))
    for answer, labels in (
        (forgotten, ["New password", "New password (again)"]),
        (changed, ["Current password", "New password", "New password (again)"]),
    ):
        assert re.findall(r"<label[^>]*>\s*([^<]*?)\s*</label>", answer.content.decode()) == labels


def test_there_is_no_sign_up(client: Client) -> None:
    for path in ("/sign-up/", "/accounts/signup/", "/signup/"):
        assert client.get(path).status_code == 404
    assert not User.objects.exists()


def test_signing_in_leads_back_to_the_page_that_was_wanted(client: Client, staff: User) -> None:
    response = client.post(f"{SIGN_IN}?next=/settings/profile/", {"login": staff.email, "password": PASSWORD})
    assert response["Location"] == "/settings/profile/"


@pytest.mark.parametrize("target", ["//evil.example", "https:evil.example", r"\\evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_site(client: Client, staff: User, target: str) -> None:
    response = client.post(SIGN_IN, {"login": staff.email, "password": PASSWORD, "next": target})
    assert response["Location"] == "/"


def test_the_session_gets_a_new_key_at_sign_in(client: Client, staff: User) -> None:
    client.get(SIGN_IN)
    session = client.session
    session["before"] = True
    session.save()
    try_to_sign_in(client, staff.email)
    assert client.session.session_key != session.session_key


def test_signing_out_ends_the_session(staff_client: Client) -> None:
    staff_client.post(reverse("account_logout"))
    assert staff_client.get(reverse("users:profile")).status_code == 302


def test_changing_the_password_ends_the_other_sessions_only(staff: User, staff_client: Client) -> None:
    other = Client()
    other.force_login(staff)
    new = {"oldpassword": PASSWORD, "password1": "a password nobody had", "password2": "a password nobody had"}
    staff_client.post(reverse("account_change_password"), new)
    assert staff_client.get(reverse("users:profile")).status_code == 200
    assert other.get(reverse("users:profile")).status_code == 302


def test_a_wrong_current_password_is_called_that(staff_client: Client) -> None:
    new = {"oldpassword": "not this one", "password1": "a password nobody had", "password2": "a password nobody had"}
    answer = staff_client.post(reverse("account_change_password"), new)
    assert "This is not your current password." in answer.content.decode()


def test_a_fragment_of_somebody_signed_out_moves_the_whole_page_to_sign_in(client: Client) -> None:
    response = client.get(reverse("users:profile"), headers={"HX-Request": "true"})
    assert response.headers["HX-Redirect"].startswith(SIGN_IN)


def test_posting_without_the_token_of_the_form_is_refused(staff: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff)
    assert client.post(reverse("users:profile"), {"name": "Eve"}).status_code == 403


def test_the_profile_keeps_the_name(staff: User, staff_client: Client) -> None:
    staff_client.post(reverse("users:profile"), {"name": "Samira Staff", "role": "admin", "email": "x@example.com"})
    staff.refresh_from_db()
    assert (staff.name, staff.role, staff.email) == ("Samira Staff", "staff", "staff@example.com")


def test_a_forgotten_password_leads_to_a_mail_or_to_who_can_help(client: Client, settings: Any) -> None:
    """Where no mail is set up, a link that never comes is not offered."""
    forgotten = reverse("account_reset_password")
    settings.EMAIL_URL = ""
    assert forgotten not in (page := client.get(SIGN_IN).content.decode()) and "An admin" in page
    page = client.get(forgotten).content.decode()
    assert "sends no email" in page and 'name="email"' not in page
    settings.EMAIL_URL = "smtp://mail.example.com"
    assert forgotten in (page := client.get(SIGN_IN).content.decode()) and "An admin" not in page
    page = client.get(forgotten).content.decode()
    assert "sends no email" not in page and 'name="email"' in page
