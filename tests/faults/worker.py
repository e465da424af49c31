"""The product's Celery app in a process of a test, bent by its environment. No code of the product knows of this.

FAULTS_LEASE      seconds of a lease instead of 60; a transaction may be silent no longer either
FAULTS_BATCH      events claimed at once instead of 100, so that a batch ends well before its lease on a busy machine
FAULTS_PAGES      pages of Stripe's events that make a slice of a poll, instead of 5: few events are many slices then
FAULTS_KILLER     a process that reads an event with this text in its body kills itself, as a bug in C code would
FAULTS_GUARD=off  every state is taken, however old it is: to show that the audit sees it
FAULTS_SILENCE    seconds of silence after which a deaf worker ends itself, instead of 60
FAULTS_DEAF       after so many seconds the worker stays connected but takes no ring any more: an error Celery had often
"""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from typing import Any

from celery import signals

from config import hearing
from config.celery import app

__all__ = ["app", "bend"]


def bend(environment: dict[str, str] | os._Environ[str] = os.environ) -> None:
    """Change this process as asked. AttributeError when what is changed is no longer there."""
    if seconds := environment.get("FAULTS_LEASE"):
        _shorten_leases(timedelta(seconds=float(seconds)))
        _shorten_silence(float(seconds))
    if count := environment.get("FAULTS_BATCH"):
        from connections import inbox

        _replace(inbox, "BATCH", int(count))
    if count := environment.get("FAULTS_PAGES"):
        from connections import poll_pages

        _replace(poll_pages, "MOST_PAGES", int(count))
    if text := environment.get("FAULTS_KILLER"):
        _die_on(text.encode())
    if environment.get("FAULTS_GUARD") == "off":
        _switch_guard_off()
    if seconds := environment.get("FAULTS_SILENCE"):
        _replace(hearing, "SILENCE", float(seconds))
    if environment.get("FAULTS_DEAF"):
        signals.worker_ready.connect(_go_deaf)


def _go_deaf(sender: Any, **_: Any) -> None:
    seconds = float(os.environ["FAULTS_DEAF"])
    for queue in sender.app.amqp.queues.consume_from:
        sender.timer.call_after(seconds, sender.cancel_task_queue, (queue,))


def _shorten_leases(lease: timedelta) -> None:
    from common import due
    from connections import fetching, history_writes, polling

    _replace(due, "LEASE", lease)
    _replace(history_writes, "LEASE", lease)
    _replace(fetching, "_LEASE", lease)
    _replace(polling, "_LEASE", lease)


def _shorten_silence(lease: float) -> None:
    """A worker frozen in a transaction keeps its locks until PostgreSQL ends it, which takes as long as a lease."""
    from django.db import connection

    options = connection.settings_dict["OPTIONS"]
    options["options"] = f"{options.get('options', '')} -c idle_in_transaction_session_timeout={lease:.0f}s"


def _die_on(text: bytes) -> None:
    from connections.sources.stripe import translate

    parse = translate.parse

    def parse_or_die(body: bytes) -> Any:
        if text in body:
            os.kill(os.getpid(), signal.SIGKILL)
        return parse(body)

    _replace(translate, "parse", parse_or_die)


def _switch_guard_off() -> None:
    from connections import guard

    _replace(guard, "_judge", guard._take)


def _replace(module: Any, name: str, value: Any) -> None:
    getattr(module, name)
    setattr(module, name, value)


@app.on_after_finalize.connect
def _when_ready(**_: Any) -> None:
    import django

    django.setup()
    bend()
