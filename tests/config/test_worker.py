"""The worker of the tests is the worker of the product, on the test's database."""

from __future__ import annotations

import subprocess
import sys

import pytest
from celery import Celery

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
    rung = Celery(broker=process_environment()["REDIS_URL"])
    rung.send_task("connections.tasks.drain_inbox", expires=60)

    def taken() -> bool:
        with rung.connection_for_read() as connection:
            return bool(connection.default_channel.client.llen("celery") == 0)

    eventually(taken, timeout=30)
    assert celery_worker.process
    assert celery_worker.process.poll() is None
    celery_worker.stop()
    assert "Traceback" not in celery_worker.log.read_text()
