"""The flow of a draft as its page shows it: triggers and steps in words, with what is wrong at each."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count

from automations import checking, flow
from automations.checking import Problem
from automations.declarations import Trigger, action, trigger
from automations.field_parameters import Conditions
from automations.models import Automation, Run
from automations.parameters import Campaign as CampaignParameter


@dataclass(frozen=True)
class ShownTrigger:
    id: str
    position: int
    label: str
    icon: str
    section: str
    sentence: str
    lines: tuple[tuple[str, str], ...]
    instant: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShownStep:
    id: str
    label: str
    icon: str
    group: str
    summary: str
    problems: tuple[str, ...]
    branches: tuple[Line, ...]
    inside: int
    campaign: int | None
    asks: bool
    is_first: bool
    is_last: bool


@dataclass(frozen=True)
class Line:
    """Steps below each other: the main one, or a branch of a step."""

    parent: str = ""
    branch: str = ""
    label: str = ""
    steps: tuple[ShownStep, ...] = ()

    @property
    def end(self) -> int:
        return len(self.steps)


@dataclass(frozen=True)
class Picture:
    triggers: tuple[ShownTrigger, ...]
    line: Line
    exits: str
    exit_problems: tuple[str, ...]
    general: tuple[str, ...]
    problems: tuple[Problem, ...] = field(default=())


def of(automation: Automation) -> Picture:
    """The draft, checked. Contacts inside are counted where the draft is what runs."""
    found = checking.problems(automation)
    by_place: dict[str, list[str]] = defaultdict(list)
    for problem in found:
        by_place[problem.place].append(problem.message)
    inside = _inside(automation)
    return Picture(
        triggers=tuple(_trigger(one, place, by_place) for place, one in enumerate(automation.triggers)),
        line=_line(automation.steps, by_place, inside),
        exits=_exits(automation.exit_conditions),
        exit_problems=tuple(by_place["exit_conditions"]),
        general=tuple(by_place["triggers"] + by_place["steps"]),
        problems=tuple(found),
    )


def in_words(triggers: list[dict[str, Any]]) -> str:
    """What starts it, in one line for a list."""
    told = [_starts(declared, one.get("parameters", {})) for one in triggers if (declared := trigger(one["key"]))]
    return " · ".join(told)


def _starts(declared: Trigger, parameters: dict[str, Any]) -> str:
    # Conditions may not be readable any more; what else it asks is said all the same.
    plain = {key: value for key, value in parameters.items() if not isinstance(value, dict | list)}
    return declared.sentence(parameters) or declared.summary(plain)


def _trigger(one: dict[str, Any], place: int, problems: dict[str, list[str]]) -> ShownTrigger:
    declared = trigger(one["key"])
    wrong = tuple(problems[f"triggers.{place}"])
    if declared is None:
        gone = "A trigger that does not exist any more"
        return ShownTrigger(one["id"], place, gone, "circle-alert", "", "", (), False, wrong)
    parameters = one.get("parameters", {})
    sentence = declared.sentence(parameters)
    lines = (
        []
        if sentence
        else [
            (parameter.label, _words(parameter, parameters[parameter.key]))
            for parameter in declared.parameters
            if parameters.get(parameter.key) is not None
        ]
    )
    if one.get("conditions"):
        lines.append(("Only contacts who match", _words(Conditions(key="c", label=""), one["conditions"])))
    lines.append(("Runs", "Once for each contact" if one.get("once") else "Every time"))
    return ShownTrigger(
        id=one["id"],
        position=place,
        label=declared.label,
        icon=declared.icon,
        section=declared.section,
        sentence=sentence,
        lines=tuple(lines),
        instant=declared.instant,
        problems=wrong,
    )


def _line(steps: flow.Steps, problems: dict[str, list[str]], inside: Counter[str], **where: str) -> Line:
    last = len(steps) - 1
    shown = (
        _step(step, problems, inside, is_first=place == 0 and not where, is_last=place == last and not where)
        for place, step in enumerate(steps)
    )
    return Line(steps=tuple(shown), **where)


def _step(
    step: flow.Step, problems: dict[str, list[str]], inside: Counter[str], *, is_first: bool, is_last: bool
) -> ShownStep:
    declared = action(step["action"])
    branches = tuple(
        _line(inner, problems, inside, parent=step["id"], branch=name, label=called)
        for name, called, inner in branches_of(step)
    )
    return ShownStep(
        id=step["id"],
        label=label(step),
        icon=declared.icon if declared else "circle-alert",
        group=declared.group if declared else "",
        summary=_summary(step),
        problems=tuple(problems[step["id"]]),
        branches=branches,
        inside=inside[step["id"]],
        campaign=campaign_of(step),
        asks=bool(declared and declared.parameters),
        is_first=is_first,
        is_last=is_last,
    )


def label(step: flow.Step) -> str:
    declared = action(step["action"])
    if declared is None:
        return "An action that does not exist any more"
    return declared.words(step.get("parameters", {})) if declared.words else declared.label


def label_of(steps: flow.Steps, step_id: str) -> str:
    """What a step of this tree is called; "" if it is none."""
    found = flow.find(steps, step_id)
    return label(found) if found else ""


def _summary(step: flow.Step) -> str:
    """What its parameters say, where the heading does not say it."""
    declared, parameters = action(step["action"]), step.get("parameters", {})
    if declared is None or declared.words:
        return ""
    if said := declared.sentence(parameters):
        return said
    told = [
        (parameter, text)
        for parameter in declared.parameters
        if parameters.get(parameter.key) is not None and (text := _words(parameter, parameters[parameter.key]))
    ]
    if len(told) == 1:
        return told[0][1]
    return " · ".join(f"{parameter.label}: {text}" for parameter, text in told)


def _words(parameter: Any, value: Any) -> str:
    try:
        text: str = parameter.words(value)
    except (ValueError, LookupError, TypeError, AttributeError):
        # The list of problems says what is wrong with it.
        return "cannot be read any more"
    return text


def _exits(tree: Any) -> str:
    return _words(Conditions(key="exit_conditions", label=""), tree) if tree else ""


def branches_of(step: flow.Step) -> list[tuple[str, str, flow.Steps]]:
    """(name, label, steps) in the order the action declares; the database keeps names in one of its own."""
    declared, stored = action(step["action"]), step.get("branches", {})
    named = dict(declared.branches) if declared else {}
    names = [*(name for name in named if name in stored), *(name for name in stored if name not in named)]
    return [(name, named.get(name, name.capitalize()), stored[name]) for name in names]


def campaign_of(step: flow.Step) -> int | None:
    """The mail a step sends, if it sends one."""
    declared = action(step["action"])
    for parameter in declared.parameters if declared else ():
        if isinstance(parameter, CampaignParameter):
            value = step.get("parameters", {}).get(parameter.key)
            return value if isinstance(value, int) else None
    return None


def _inside(automation: Automation) -> Counter[str]:
    if automation.current_id is None:
        return Counter()
    runs = Run.objects.under_way().filter(version=automation.current_id)
    return Counter({row["step"]: row["count"] for row in runs.values("step").annotate(count=Count("pk")).order_by()})
