"""Rows 34, 40 and 68 for automations: kill -9 between any two statements, and every contact passes every step once."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from automations import dispatch, engine, lifecycle
from automations.models import DateWatch, Run, RunStep
from campaigns.models import Campaign, Mail
from common.due import State
from contacts.models import Activity
from tests.automations.conftest import having, on, person, step, tagged
from tests.faults.conftest import amount
from tests.faults.machine import Machine
from tests.faults.points import NEVER
from tests.faults.test_every_point import Run as Ask
from tests.faults.test_every_point import run  # noqa: F401  a fixture

HAS_X = having("contact.tag", "has", "x")
STEPS = [
    step("send_mail", 1),
    step(
        "if_else", 2, {"yes": [step("add_tag", 3, tag="vip")], "no": []}, conditions=having("contact.tag", "has", "x")
    ),
    step("add_tag", 4, tag="passed"),
    step("wait", 5, duration={"amount": 1, "unit": "days"}),
    step("add_tag", 6, tag="waited"),
]
PASSED = ["s1", "s2", "s4", "s5", "s6"]


def activated() -> Campaign:
    mail = Campaign.objects.create(name="Reminder", subject="Hello", text="Hello")
    steps: list[Any] = [STEPS[0] | {"parameters": {"campaign": mail.pk}}, *STEPS[1:]]
    made = lifecycle.create("Reminder", None, triggers=[on("tag_added", tag="start")], steps=steps)
    lifecycle.activate(made.pk, None)
    return mail


def expire() -> None:
    """The minute of everything claimed is over. Only the process that was killed had claims."""
    for model in (Run, DateWatch):
        model.objects.claimed().update(lease_until=Now() - timedelta(seconds=1))


def no_more_waiting() -> None:
    Run.objects.filter(wake_at__isnull=False).update(next_attempt_at=Now(), wake_at=Now())


@pytest.mark.django_db(transaction=True)
def test_runs_are_killed_anywhere(machine: Machine, run: Ask) -> None:
    activated()
    for _ in range(2):  # the first time makes tags that are there later
        tagged(person(), "start")
        no_more_waiting()
        statements = int(run("automate", NEVER))
    dice = random.Random(68)  # noqa: S311
    killed, points = 0, sorted(dice.sample(range(1, statements), amount("POINTS", 10)))
    for number in points:
        tagged(person(), "start")
        no_more_waiting()
        killed += run("automate", number) == "killed"
        expire()
        assert run("automate", NEVER).isdigit()
    no_more_waiting()
    assert run("automate", NEVER).isdigit()
    people = len(points) + 2
    assert killed > 0.5 * len(points)
    assert Run.objects.filter(state=State.DONE).count() == Run.objects.count() == people
    assert Mail.objects.count() == people
    for tag in ("passed", "waited"):
        assert Activity.objects.filter(data__tag=tag, origin="automation").count() == people
    for one in Run.objects.all():
        done = RunStep.objects.filter(run=one, result__in=["done", "branch"]).order_by("pk")
        assert list(done.values_list("step", flat=True)) == PASSED


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_wakes_up_after_its_lease_writes_nothing(machine: Machine) -> None:
    activated()
    tagged(person(), "start")
    dispatch.drain()
    (slow,) = Run.objects.claim(10)
    expire()
    Run.objects.release_expired()
    engine.drain()
    before = RunStep.objects.count(), Mail.objects.count()
    engine.work([slow])
    assert (RunStep.objects.count(), Mail.objects.count()) == before
    assert Run.objects.get().standing == "waiting"
