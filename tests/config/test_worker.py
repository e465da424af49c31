"""The worker of the tests is the worker of the product, on the test's database."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.db import connection as database
from django.utils import timezone

from connections.models import Connection, InboundEvent
from local.data import ROOT
from tests.live import CeleryWorker, process_environment
from tests.waiting import eventually
from users.models import User


@pytest.mark.django_db(transaction=True)
def test_a_process_beside_the_test_sees_its_rows(staff: User) -> None:
    code = "import django; django.setup(); from users.models import User; print(User.objects.get().email)"
    environment = {**process_environment(), "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == staff.email


def test_the_worker_takes_what_the_timetable_rings(celery_worker: CeleryWorker) -> None:
    """E002: a due event is worked although nobody but the timetable rang."""
    connection = Connection.objects.create(account="acct_1", name="Mill", state=Connection.State.ACTIVE)
    event = InboundEvent.objects.create(
        connection=connection,
        event_id="evt_1",
        via="webhook",
        type="unheard.of",
        occurred_at=timezone.now(),
        body=b'{"id": "evt_1", "type": "unheard.of", "created": 1790000000, "data": {"object": {"id": "x_1"}}}',
    )
    eventually(lambda: InboundEvent.objects.get(pk=event.pk).state == "ignored", timeout=30)
    assert celery_worker.process
    assert celery_worker.process.poll() is None
    celery_worker.stop()
    assert "Traceback" not in celery_worker.log.read_text()


def backends(*, older_than: float = 0.0) -> set[int]:
    """Sessions of the worker at this test's database whose last statement came so many seconds after they began."""
    with database.cursor() as cursor:
        cursor.execute(
            "select pid from pg_stat_activity where application_name = 'millrace worker'"
            " and datname = current_database() and query_start > backend_start + make_interval(secs => %s)",
            [older_than],
        )
        return {pid for (pid,) in cursor.fetchall()}


def test_a_worker_keeps_its_connection_until_it_is_gone(celery_worker: CeleryWorker) -> None:
    """One a process for all the looks of these seconds; a new one when PostgreSQL ended it."""
    first = eventually(lambda: backends(older_than=3.5))
    with database.cursor() as cursor:
        cursor.execute("select pg_terminate_backend(pid) from unnest(%s) as pid", [sorted(first)])
    second = eventually(lambda: backends(older_than=2.5) - first)
    assert len(second) == 1
