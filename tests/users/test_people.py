"""Changing what people may do, and shutting them out: at once, and never the last admin."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse

from tests.conftest import signed_in
from users import accounts
from users.models import AuditEntry, Role, User


def test_a_new_role_counts_at_once_and_ends_the_sessions(
    admin_client: Client, marketer: User, marketer_client: Client
) -> None:
    response = admin_client.post(reverse("users:change_role", args=[marketer.pk]), {"role": "staff"})
    assert response.status_code == 302
    marketer.refresh_from_db()
    assert marketer.role == Role.STAFF
    assert marketer_client.get(reverse("users:profile")).status_code == 302


def test_a_deactivated_user_is_signed_out_at_once(admin_client: Client, staff: User, staff_client: Client) -> None:
    admin_client.post(reverse("users:deactivate", args=[staff.pk]))
    assert staff_client.get(reverse("users:profile")).status_code == 302
    admin_client.post(reverse("users:activate", args=[staff.pk]))
    assert staff_client.get(reverse("users:profile")).status_code == 302, "an old session must not come back"
    assert signed_in(staff).get(reverse("users:profile")).status_code == 302, "the test's copy is out of date"
    staff.refresh_from_db()
    assert signed_in(staff).get(reverse("users:profile")).status_code == 200


@pytest.mark.parametrize("role", ["staff", "marketer"])
def test_the_last_admin_keeps_the_role(admin: User, admin_client: Client, role: str) -> None:
    response = admin_client.post(reverse("users:change_role", args=[admin.pk]), {"role": role}, follow=True)
    assert "This is the last admin" in response.content.decode()
    admin.refresh_from_db()
    assert admin.role == Role.ADMIN


def test_the_last_admin_cannot_be_deactivated(admin: User, admin_client: Client) -> None:
    admin_client.post(reverse("users:deactivate", args=[admin.pk]))
    admin.refresh_from_db()
    assert admin.is_active


def test_a_deactivated_admin_does_not_count_as_one(
    admin: User, admin_client: Client, make_user: Callable[..., User]
) -> None:
    make_user(Role.ADMIN, email="gone@example.com", is_active=False)
    admin_client.post(reverse("users:deactivate", args=[admin.pk]))
    admin.refresh_from_db()
    assert admin.is_active


def test_an_unknown_role_is_refused(admin_client: Client, staff: User) -> None:
    assert admin_client.post(reverse("users:change_role", args=[staff.pk]), {"role": "owner"}).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_two_admins_demoting_each_other_at_once_leave_one(make_user: Callable[..., User]) -> None:
    first, second = make_user(Role.ADMIN, email="a@example.com"), make_user(Role.ADMIN, email="b@example.com")
    together = threading.Barrier(2)

    def demote(by: User, whom: User) -> None:
        request = RequestFactory().post("/")
        request.user = by
        together.wait(10)
        try:
            accounts.change_role(request, whom, Role.STAFF)
        except accounts.LastAdminError:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=pair) for pair in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert User.objects.admins().count() == 1


def test_changes_are_written_down_with_before_and_after(admin_client: Client, admin: User, staff: User) -> None:
    admin_client.post(reverse("users:change_role", args=[staff.pk]), {"role": "marketer"}, REMOTE_ADDR="192.0.2.7")
    entry = AuditEntry.objects.get()
    assert (entry.who, entry.role, entry.action, entry.object_id) == (
        admin.email,
        "admin",
        "changed a role",
        str(staff.pk),
    )
    assert entry.changes == {"role": {"old": "staff", "new": "marketer"}}
    assert entry.ip == "192.0.2.7"
    assert entry.request_id


def test_the_page_lists_people_and_open_invitations(admin_client: Client, staff: User) -> None:
    admin_client.post(reverse("users:invite"), {"email": "nora@example.com", "role": "staff"})
    page = admin_client.get(reverse("users:people")).content.decode()
    assert staff.email in page
    assert "nora@example.com" in page
