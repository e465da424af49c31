"""bin/bench automations: how many contacts enter and pass an automation a second, beside bare statements that only keep
the same books: an insert to enter, and for each step an insert and an update in a transaction of their own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable

from bench.stage import Stage, stage

STEPS = 2


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bin/bench automations", description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=4)
    chosen = parser.parse_args(arguments)
    with stage() as there:
        print(f"{os.cpu_count()} cores; {chosen.people:,} contacts, {chosen.workers} workers, {STEPS} steps each")
        bare = _bare(there, chosen.people, chosen.workers)
        ours = _ours(chosen.people, chosen.workers)
        _audit(chosen.people)
        print(f"bare {chosen.people / bare:8,.0f} runs/s  {bare:6.1f} s")
        print(f"ours {chosen.people / ours:8,.0f} runs/s  {ours:6.1f} s   {ours / bare:.1f} times the bare statements")


def _ours(people: int, workers: int) -> float:
    from automations import lifecycle
    from campaigns.models import Campaign

    mail = Campaign.objects.create(name="Welcome", subject="Hello {{ contact.first_name }}", text="Hello")
    steps = [
        {"id": "s1", "action": "send_mail", "parameters": {"campaign": mail.pk}},
        {"id": "s2", "action": "add_tag", "parameters": {"tag": "welcomed"}},
    ]
    trigger = {"key": "tag_added", "parameters": {"tag": "start"}, "once": True, "conditions": None}
    made = lifecycle.create("Welcome", None, triggers=[trigger], steps=steps)
    lifecycle.activate(made.pk, None)
    _tell(people)
    return _together(workers, _work)


def _tell(people: int) -> None:
    """As many contacts, each with a tag that nobody has reacted to."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            with people as (
                insert into contacts_contact (email, email_key, is_test, first_name, last_name, phone, custom, facts,
                                              version, created_at, updated_at)
                select 'p' || n || '@example.com', 'p' || n || '@example.com', false, 'P', '', '', '{}', '{}', 1,
                       now(), now() from generate_series(1, %s) as n returning id)
            insert into contacts_activity
                (contact_id, kind, occurred_at, summary, changes, data, origin, is_test, dedupe)
            select id, 'tag.added', now(), 'Tag added: start', '[]', '{"tag": "start"}', 'user', false, 'bench:' || id
            from people
            """,
            [people],
        )
        cursor.execute("analyze")


def _work() -> None:
    from automations import dispatch, engine
    from automations.models import Run
    from contacts.models import Activity

    while True:
        if dispatch.drain() + engine.drain():
            continue
        if not Activity.objects.filter(dispatched_at=None).exists() and not Run.objects.filter(ended_at=None).exists():
            return
        time.sleep(0.05)


def _audit(people: int) -> None:
    """All done, nothing twice; else the figure above says nothing."""
    from automations.models import Run, RunStep
    from campaigns.models import Mail
    from contacts.models import ContactTag

    counted = (
        Run.objects.filter(state="done").count(),
        Mail.objects.count(),
        ContactTag.objects.count(),
        RunStep.objects.count(),
    )
    if counted != (people, people, people, people * STEPS):
        raise SystemExit(f"Not all was done once: runs, mails, tags, steps {counted} of {people}")


def _bare(there: Stage, people: int, workers: int) -> float:
    """The same number of rows and commits and nothing else."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "create table bench_run (id serial primary key, step int not null default 0, claimed timestamptz)"
        )
        cursor.execute(
            "create table bench_step (id serial primary key, run int not null, at timestamptz default now())"
        )
        cursor.execute("insert into bench_run (step) select 0 from generate_series(1, %s)", [people])
        cursor.execute("create index on bench_run (id) where step < %s", [STEPS])
    return _together(workers, _bare_work)


def _bare_work() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        while True:
            cursor.execute(
                "update bench_run set claimed = now() where id in (select id from bench_run where step < %s and "
                "claimed is null order by id limit 100 for update skip locked) returning id",
                [STEPS],
            )
            mine = [pk for (pk,) in cursor.fetchall()]
            if not mine:
                return
            for pk in mine:
                for _ in range(STEPS):
                    cursor.execute("begin")
                    cursor.execute("insert into bench_step (run) values (%s)", [pk])
                    cursor.execute("update bench_run set step = step + 1 where id = %s", [pk])
                    cursor.execute("commit")


def _together(workers: int, work: Callable[[], None]) -> float:
    """Seconds until all of these processes have done the work."""
    from django.db import connections

    connections.close_all()
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=work) for _ in range(workers)]
    started = time.monotonic()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise SystemExit(f"A worker ended with {process.exitcode}.")
    return time.monotonic() - started
