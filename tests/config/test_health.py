"""`/health/`: for a monitor that cannot sign in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.utils import timezone

from common import health


@pytest.fixture
def queues() -> Iterator[dict[str, health.Queue]]:
    """The registry, emptied for the test."""
    kept = dict(health._queues)
    health._queues.clear()
    yield health._queues
    health._queues.clear()
    health._queues.update(kept)


@pytest.mark.django_db
@pytest.mark.parametrize("ahead", [None, timedelta(hours=1)])
def test_a_queue_with_nothing_overdue_is_ok(client: Client, queues: object, ahead: timedelta | None) -> None:
    health.register("inbox", lambda: timezone.now() + ahead if ahead else None)
    response = client.get("/health/")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": {"database": "ok", "inbox": "ok"}}


@pytest.mark.django_db
def test_a_queue_whose_oldest_row_waits_too_long_is_named(client: Client, queues: object) -> None:
    health.register("inbox", lambda: timezone.now() - timedelta(seconds=90), limit=timedelta(minutes=1))
    health.register("polling", lambda: None)
    response = client.get("/health/")
    assert response.status_code == 503
    checks = response.json()["checks"]
    assert response.json()["status"] == "failing"
    assert checks["inbox"].startswith("oldest due row has waited 9")
    assert checks["polling"] == "ok"


@pytest.mark.django_db
def test_a_queue_that_cannot_be_read_fails_alone(client: Client, queues: object) -> None:
    def broken() -> None:
        with connection.cursor() as cursor:
            raise OperationalError(cursor)

    health.register("inbox", broken)
    response = client.get("/health/")
    assert (response.status_code, response.json()["checks"]["inbox"]) == (503, "cannot be read")


@pytest.mark.django_db(transaction=True)
def test_without_its_database_it_answers_503(client: Client) -> None:
    host = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nowhere"
    try:
        response = client.get("/health/")
    finally:
        connection.settings_dict["HOST"] = host
        connection.close()
    assert (response.status_code, response.json()["checks"]) == (503, {"database": "away"})


@pytest.mark.django_db
@override_settings(SECURE_SSL_REDIRECT=True)
def test_it_never_redirects(client: Client) -> None:
    assert client.get("/health/").status_code == 200
    assert client.get("/sign-in/").status_code == 301


@pytest.mark.django_db
def test_it_is_never_cached(client: Client) -> None:
    assert "no-store" in client.get("/health/").headers["Cache-Control"]
