"""Starting and ending other automations."""

from __future__ import annotations

from automations import runs, starting
from automations.declarations import Action, Json, Outcome, Step, go_on
from automations.models import Automation, Run
from automations.parameters import Row
from automations.triggers.started import STARTED
from common import once


@once.kept
def _startable() -> list[tuple[str, str]]:
    present = Automation.objects.present().filter(triggers__contains=[{"key": STARTED}])
    return [(str(pk), name) for pk, name in present.values_list("pk", "name")]


@once.kept
def _all() -> list[tuple[str, str]]:
    return [(str(pk), name) for pk, name in Automation.objects.present().values_list("pk", "name")]


def _start(step: Step, run: Run) -> Outcome:
    if starting.by_run(step.parameters["automation"], run, step.key):
        return go_on("Started.")
    return go_on("Not started: it is not active, the contact was in it already, or one is for tests only.")


def _end(step: Step, run: Run) -> Outcome:
    others = Run.objects.filter(automation=step.parameters["automation"], contact=run.contact_id).exclude(pk=run.pk)
    ended = runs.stop(others, f"Ended by the automation {run.automation}.")
    return go_on("Ended." if ended else "The contact was not in it.")


def _not_startable(parameters: Json, _brings: frozenset[str]) -> list[str]:
    found = Automation.objects.filter(pk=parameters["automation"]).first()
    if found and not starting.can_be_started(found):
        return [f"“{found}” is not active, or cannot be started by another automation. Activate it first."]
    return []


ACTIONS = [
    Action(
        key="start_automation",
        label="Start another automation",
        group="Flow",
        description="Puts the contact into another automation that can be started so.",
        icon="play",
        perform=_start,
        parameters=(Row(key="automation", label="Automation", offered=_startable),),
        problems=_not_startable,
    ),
    Action(
        key="end_automation",
        label="End another automation",
        group="Flow",
        description="Takes the contact out of another automation.",
        icon="circle-x",
        perform=_end,
        parameters=(Row(key="automation", label="Automation", offered=_all),),
    ),
]
