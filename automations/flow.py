"""The tree of steps: a list of {"id", "action", "parameters"}, where a branching step has its branches as lists too.

    [{"id": "s1", "action": "send_mail", "parameters": {"campaign": 7}},
     {"id": "s2", "action": "if_else", "parameters": {…}, "branches": {"yes": […], "no": […]}}]

Pure: each change gives a new tree. After the last step of a branch comes what follows the branching step.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from secrets import token_hex
from typing import Any

Step = dict[str, Any]
Steps = list[Step]


class NoSuchStep(LookupError):
    """The step, or the place for it, is not in the tree any more."""


def walk(steps: Steps) -> Iterator[Step]:
    """Every step, those of branches after the one they hang from."""
    for step in steps:
        yield step
        for branch in step.get("branches", {}).values():
            yield from walk(branch)


def find(steps: Steps, step_id: str) -> Step | None:
    return next((step for step in walk(steps) if step["id"] == step_id), None)


def first(steps: Steps) -> str:
    """ "" when there is none."""
    return str(steps[0]["id"]) if steps else ""


def after(steps: Steps, step_id: str) -> str:
    """The step that follows this one, whatever its branches; "" at the end."""
    return _after(steps, step_id, "") or ""


def into(steps: Steps, step_id: str, branch: str) -> str:
    """The first step of a branch, or what follows the branching step if the branch is empty."""
    step = find(steps, step_id)
    return first((step or {}).get("branches", {}).get(branch, [])) or after(steps, step_id)


def new_id(steps: Steps) -> str:
    numbers = [int(step["id"][1:]) for step in walk(steps) if step["id"][1:].isdecimal()]
    return f"s{max(numbers, default=0) + 1}"


def with_ids(triggers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The triggers, each with an id that no other ever has: not even one that was removed."""
    return [one if one.get("id") else {"id": f"t{token_hex(4)}", **one} for one in triggers]


def insert(steps: Steps, step: Step, *, parent: str = "", branch: str = "", position: int = 0) -> Steps:
    """Put a step at a position of the main line, or of a parent's branch."""
    tree = deepcopy(steps)
    line = _line(tree, parent, branch)
    line.insert(max(0, min(position, len(line))), deepcopy(step))
    return tree


def replace(steps: Steps, step_id: str, parameters: dict[str, Any]) -> Steps:
    tree = deepcopy(steps)
    _found(tree, step_id)["parameters"] = parameters
    return tree


def remove(steps: Steps, step_id: str) -> Steps:
    """Take a step out, with what hangs from it."""
    tree = deepcopy(steps)
    line, place, _, _ = place_of(tree, step_id)
    del line[place]
    return tree


def move(steps: Steps, step_id: str, *, parent: str = "", branch: str = "", position: int = 0) -> Steps:
    """Put a step elsewhere; `position` counts without it. NoSuchStep when it would go into itself."""
    step = deepcopy(_found(steps, step_id))
    if parent and find([step], parent):
        raise NoSuchStep(parent)
    return insert(remove(steps, step_id), step, parent=parent, branch=branch, position=position)


def shift(steps: Steps, step_id: str, *, up: bool) -> Steps:
    """One place up or down on its own line; nothing happens at an end."""
    tree = deepcopy(steps)
    line, place, _, _ = place_of(tree, step_id)
    target = place - 1 if up else place + 1
    if 0 <= target < len(line):
        line[place], line[target] = line[target], line[place]
    return tree


def place_of(steps: Steps, step_id: str, parent: str = "", branch: str = "") -> tuple[Steps, int, str, str]:
    """(the line it stands on, its place there, the step that line hangs from or "", the branch or "")."""
    for place, step in enumerate(steps):
        if step["id"] == step_id:
            return steps, place, parent, branch
        for name, inner in step.get("branches", {}).items():
            try:
                return place_of(inner, step_id, step["id"], name)
            except NoSuchStep:
                continue
    raise NoSuchStep(step_id)


def _after(steps: Steps, step_id: str, follows: str) -> str | None:
    """None when the step is not on this line or below it."""
    for place, step in enumerate(steps):
        coming = str(steps[place + 1]["id"]) if place + 1 < len(steps) else follows
        if step["id"] == step_id:
            return coming
        for branch in step.get("branches", {}).values():
            found = _after(branch, step_id, coming)
            if found is not None:
                return found
    return None


def _found(steps: Steps, step_id: str) -> Step:
    step = find(steps, step_id)
    if step is None:
        raise NoSuchStep(step_id)
    return step


def _line(steps: Steps, parent: str, branch: str) -> Steps:
    if not parent:
        return steps
    branches = _found(steps, parent).get("branches", {})
    if branch not in branches:
        raise NoSuchStep(f"{parent}.{branch}")
    line: Steps = branches[branch]
    return line
