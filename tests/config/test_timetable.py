"""The timetable: what it rings exists, and what nobody took does not pile up."""

import pytest

from config.celery import app


@pytest.fixture(scope="module", autouse=True)
def tasks_are_found() -> None:
    app.loader.import_default_modules()


@pytest.mark.parametrize("entry", app.conf.beat_schedule.values(), ids=lambda entry: entry["task"])
def test_every_ring_has_a_task_and_expires(entry: dict) -> None:
    assert entry["task"] in app.tasks
    assert entry["options"]["expires"] > 0


def test_messages_carry_no_results_and_come_back_for_nobody() -> None:
    conf = app.conf
    assert (conf.task_ignore_result, conf.result_backend, conf.task_acks_late) == (True, None, False)
    assert (conf.worker_prefetch_multiplier, conf.task_publish_retry) == (1, False)
