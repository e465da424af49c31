"""The audit log: everything stays as it was written."""

import pytest
from django.db import Error, connection, transaction
from django.test import Client
from django.urls import reverse

from users import audit
from users.models import AuditEntry, User


@pytest.mark.parametrize("statement", ["UPDATE users_auditentry SET who = 'me'", "DELETE FROM users_auditentry"])
def test_the_database_refuses_to_change_an_entry(admin: User, statement: str) -> None:
    audit.record(admin, "looked", admin)
    with pytest.raises(Error, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEntry.objects.get().who == admin.email


def test_a_command_at_the_terminal_is_named_as_such(db: None) -> None:
    assert audit.record(None, "connected", "Main shop").who == "command line"


def test_the_page_shows_newest_first_and_goes_on_by_key(admin: User, admin_client: Client) -> None:
    entries = [audit.record(admin, f"deed {number:03}") for number in range(60)]
    first = admin_client.get(reverse("users:audit_log"))
    assert [entry.action for entry in first.context["entries"]] == [f"deed {n:03}" for n in range(59, 9, -1)]
    older = admin_client.get(reverse("users:audit_log"), {"before": first.context["older"]})
    assert [entry.pk for entry in older.context["entries"]] == [entry.pk for entry in reversed(entries[:10])]


@pytest.mark.parametrize("before", ["x", "-1", "٣", "9" * 30])
def test_a_mangled_address_shows_the_newest(admin_client: Client, before: str) -> None:
    assert admin_client.get(reverse("users:audit_log"), {"before": before}).status_code == 200
