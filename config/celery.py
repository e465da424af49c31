"""The Celery app and the whole timetable.

A message carries no data and only means "look": losing, doubling or delaying one costs latency and nothing else.
What is due stands in PostgreSQL, so there is no countdown, no chain, no result and no late acknowledgement.
"""

import os

from celery import Celery
from celery.signals import worker_process_init, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django_structlog.celery.steps import DjangoStructLogInitStep

from common import garbage
from config import hearing, kept_connections

app = Celery("millrace")
app.conf.update(
    broker_url=settings.REDIS_URL,
    task_ignore_result=True,
    result_backend=None,
    # A lost ring is harmless; a message that comes back for ever because it kills its worker is not.
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    worker_prefetch_multiplier=1,
    # A drain ends by itself after 20 s and is rung again.
    task_soft_time_limit=240,
    task_time_limit=300,
    # Fail at once: the next ring comes in a second anyway.
    task_publish_retry=False,
    broker_transport_options={
        "visibility_timeout": 900,
        "socket_timeout": 5,
        "socket_connect_timeout": 1,
        "socket_keepalive": True,
        "health_check_interval": 25,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_max_tasks_per_child=500,
    worker_max_memory_per_child=300_000,
    worker_soft_shutdown_timeout=20,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    accept_content=["json"],
    task_serializer="json",
    timezone="UTC",
    beat_max_loop_interval=1,
)
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks()
hearing.install()
kept_connections.install(app)
# Of processes and of threads.
worker_process_init.connect(garbage.look_rarely)
worker_ready.connect(garbage.look_rarely)


# Work that is all in the database, and work that waits for Stripe: a slow Stripe must not hold up the first.
# A worker started without --queues does both.
INBOX, STRIPE = "inbox", "stripe"
app.conf.task_default_queue = INBOX
app.conf.task_queues = {INBOX: {}, STRIPE: {}}


def every(seconds: float, task: str, queue: str) -> dict[str, object]:
    """One row of the timetable. Rings that nobody took expire, so a pause leaves no pile."""
    options = {"expires": max(5.0, seconds), "retry": False, "queue": queue}
    return {"task": task, "schedule": seconds, "options": options}


# Rung as soon as there is something to do, which one look a second at each queue finds out (`common/looking.py`).
# That look is believed to be late at worst, so they are rung without it, too.
NET = 30

app.conf.beat_schedule = {
    "a look at the inbox's work": every(1, "common.tasks.look", INBOX),
    "a look at what waits for Stripe": every(1, "common.tasks.look", STRIPE),
    "inbox": every(NET, "connections.tasks.drain_inbox", INBOX),
    "rows to derive anew": every(NET, "connections.tasks.rederive_due", INBOX),
    "wanted objects": every(NET, "connections.tasks.fetch_wanted", STRIPE),
    "history": every(NET, "connections.tasks.drain_history", STRIPE),
    "polling": every(NET, "connections.tasks.poll_events", STRIPE),
    "bulk replays": every(NET, "connections.tasks.replay_pages", INBOX),
    # A mail server is waited for as Stripe is: by threads.
    "mails": every(NET, "campaigns.tasks.send_mails", STRIPE),
    "campaigns to queue": every(NET, "campaigns.tasks.expand_sendings", INBOX),
    # What happened to contacts starts automations, and runs step on.
    "activities to dispatch": every(NET, "automations.tasks.dispatch_activities", INBOX),
    "automation runs": every(NET, "automations.tasks.step_runs", INBOX),
    "outcomes of mails": every(NET, "automations.tasks.pull_mail_news", INBOX),
    # Other people's servers are waited for as Stripe is.
    "deliveries": every(NET, "automations.tasks.send_deliveries", STRIPE),
    # The following are in no hurry. Due is a column: what was missed without power is made up for.
    "webhook endpoints": every(60, "connections.tasks.check_endpoints", STRIPE),
    "events whose objects came otherwise": every(60, "connections.tasks.release_held", INBOX),
    "object checks": every(10, "connections.tasks.compare_objects", STRIPE),
    "figures of campaigns": every(5, "campaigns.tasks.tally_mails", INBOX),
    "contacts that were awaited": every(10, "automations.tasks.start_awaited", INBOX),
    "dated triggers": every(10, "automations.tasks.look_at_dates", INBOX),
    "notices to colleagues": every(5, "automations.tasks.send_notices", STRIPE),
    "failures to tell": every(30, "automations.tasks.tell_failures", INBOX),
    "old mails": every(3600, "campaigns.tasks.clear_old_mails", INBOX),
    "old deliveries": every(3600, "automations.tasks.clear_old_deliveries", INBOX),
    "old runs": every(3600, "automations.tasks.clear_old_runs", INBOX),
    "old rows": every(600, "connections.tasks.clear_old", INBOX),
}
