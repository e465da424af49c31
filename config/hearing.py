"""A worker that goes deaf ends itself, so that whoever started it starts it again; a look at a queue leaves a sign.

After a broker was away a worker may be connected, alive, and take nothing any more: Celery has had this error again and
again. The worker knows it by itself: no ring for a minute, nothing at work, and the rings pile up.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

from celery import Celery, signals
from celery.worker import state
from django.db import DatabaseError

from common import heartbeat

logger = logging.getLogger(__name__)
# Seconds without a ring, of which the timetable sends at least one each.
SILENCE = 60.0
# Rings nobody took. One or two may lie there at any moment.
PILE = 5
LOOK = 5.0
_EXIT_STATUS = 70

_heard = time.monotonic()


def install() -> None:
    """Listen to the signals of this process's worker."""
    signals.task_received.connect(_hear)
    signals.worker_ready.connect(_watch)
    signals.task_success.connect(_leave_a_sign)


def _hear(**_: Any) -> None:
    global _heard
    _heard = time.monotonic()


def _leave_a_sign(sender: Any, **_: Any) -> None:
    """After a drain that went well, in the process that did it. A look drains nothing."""
    if sender.name == "common.tasks.look":
        return
    queue = (sender.request.delivery_info or {}).get("routing_key")
    if not queue:
        return
    try:
        heartbeat.beat(queue)
    except DatabaseError:
        logger.warning("The sign of life of %s could not be written", queue)


def _watch(sender: Any, **_: Any) -> None:
    queues = list(sender.app.amqp.queues.consume_from)
    threading.Thread(target=_look_again_and_again, args=(sender.app, queues), name="hearing", daemon=True).start()


def _look_again_and_again(app: Celery, queues: list[str]) -> None:
    while True:
        time.sleep(min(LOOK, SILENCE / 3))
        if time.monotonic() - _heard > SILENCE and not state.active_requests and _rings_pile_up(app, queues):
            logger.critical("This worker hears no ring although they pile up. It ends, to be started again.")
            # Nothing is at work, and an orderly end would wait for what does not answer.
            os._exit(_EXIT_STATUS)


def _rings_pile_up(app: Celery, queues: list[str]) -> bool:
    """False too where no broker answers: that is no fault of the worker, and it has another minute afterwards."""
    connection: Any = app.connection_for_read()
    try:
        connection.connect()
        channel = connection.channel()
        return any(channel.queue_declare(name, passive=True).message_count >= PILE for name in queues)
    except (OSError, *connection.connection_errors, *connection.channel_errors):
        _hear()
        return False
    finally:
        connection.release()
