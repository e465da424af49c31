"""What an automation can begin with and what it can do, as declarations.

A trigger or action says its name, its typed parameters and what it does; form, check, summary and help are drawn from
that. Each registers itself once, in `AppConfig.ready()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from automations.parameters import Parameter
from contacts.models import Activity

if TYPE_CHECKING:
    from automations.models import Run

Json = dict[str, Any]
Brought = Literal["contact", "recurring_payment", "order", "event"]
SECTIONS = ("CX Apps", "Recurring payments", "Payments", "Orders", "Contacts", "Dates", "Other")
GROUPS = ("Send", "Contact", "Flow", "Connected apps")


def always() -> str:
    """Available, and so no reason why not."""
    return ""


def everything(_activity: Activity, _parameters: Json) -> bool:
    return True


@dataclass(frozen=True)
class Sample:
    """Something real a trigger can be tried on: who, when, and the fields it would bring (label, text)."""

    title: str
    occurred_at: datetime
    contact_id: int | None
    fields: tuple[tuple[str, str], ...]
    activity_id: int | None = None
    recurring_payment_id: int | None = None


def no_samples(_parameters: Json) -> list[Sample]:
    return []


@dataclass(frozen=True)
class Trigger:
    """`kinds`: activities it listens to; one that listens to none starts by the clock or by hand.

    `in_words(parameters)` is the whole as a sentence, for lists and cards.
    `matches` is asked for each such activity and looks at nothing else; `among` then narrows many at once where the
    database must be asked: activities -> ids of those that count. `unavailable` says in words why it cannot be chosen
    (yet), "" when it can. `brings`: what steps and mails may use. `once_by_default`: B050. `is_dated`: see `dating`.
    """

    key: str
    label: str
    section: str
    description: str
    icon: str
    kinds: tuple[str, ...] = ()
    brings: tuple[Brought, ...] = ("contact",)
    instant: bool = True
    parameters: tuple[Parameter, ...] = ()
    matches: Callable[[Activity, Json], bool] = everything
    among: Callable[[list[Activity], Json], set[int]] | None = None
    unavailable: Callable[[], str] = always
    samples: Callable[[Json], list[Sample]] = no_samples
    problems: Callable[[Json], list[str]] = lambda _parameters: []
    offers_conditions: bool = True
    is_dated: bool = False
    in_words: Callable[[Json], str] | None = None

    def summary(self, parameters: Json) -> str:
        return self.sentence(parameters) or _summary(self.label, self.parameters, parameters)

    def sentence(self, parameters: Json) -> str:
        """Its own words; "" if it has none, or its parameters cannot be said (yet)."""
        return _said(self.in_words, parameters)


Kind = Literal["next", "wait", "branch", "end", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of a step. `until`: when a waiting run is looked at again at the latest; `deadline`: when its wait
    is over whatever happens; `listens`: look again whenever something happens to the contact. `status`, `body`: what a
    foreign system answered.
    """

    kind: Kind
    message: str = ""
    until: datetime | None = None
    deadline: datetime | None = None
    listens: bool = False
    branch: str = ""
    permanent: bool = False
    status: int | None = None
    body: str = ""


def go_on(message: str = "", *, status: int | None = None, body: str = "") -> Outcome:
    return Outcome("next", message, status=status, body=body)


def wait(until: datetime, message: str, *, deadline: datetime | None = None, listens: bool = False) -> Outcome:
    """`deadline` is `until` by default."""
    return Outcome("wait", message, until=until, deadline=deadline or until, listens=listens)


def take(branch: str, message: str = "") -> Outcome:
    return Outcome("branch", message, branch=branch)


def end(message: str) -> Outcome:
    """The run ends here, and that is no failure."""
    return Outcome("end", message)


def failed(message: str, *, permanent: bool = False, status: int | None = None, body: str = "") -> Outcome:
    """Retried by schedule unless `permanent`."""
    return Outcome("failed", message, permanent=permanent, status=status, body=body)


@dataclass(frozen=True)
class Step:
    """A step of a version as an action performs it. `key` names this step of this run once and for all."""

    id: str
    action: str
    parameters: Json
    key: str


def no_problems(_parameters: Json, _brings: frozenset[str]) -> list[str]:
    return []


@dataclass(frozen=True)
class Action:
    """`perform` runs inside the step's transaction: it writes rows, asks nobody over the network. What leaves the
    house is a row of a queue, whose key is the step's. It may be called again after a wait (`run.wake_at` is set) or a
    failure. `branches`: names of the branches a step has, empty for most. `problems(parameters, brings)` says in words
    why it cannot stand in an automation whose triggers bring that much.
    """

    key: str
    label: str
    group: str
    description: str
    icon: str
    perform: Callable[[Step, Run], Outcome]
    parameters: tuple[Parameter, ...] = ()
    branches: tuple[tuple[str, str], ...] = ()
    problems: Callable[[Json, frozenset[str]], list[str]] = no_problems
    unavailable: Callable[[], str] = always
    # What such a step is called, instead of the label; and what its parameters say, below that.
    words: Callable[[Json], str] | None = None
    in_words: Callable[[Json], str] | None = None
    # A walk with a test contact shows what the step would do instead of doing it.
    would: Callable[[Step, Run], str] | None = None

    def summary(self, parameters: Json) -> str:
        if self.words:
            return self.words(parameters)
        said = self.sentence(parameters)
        return f"{self.label}: {said}" if said else _summary(self.label, self.parameters, parameters)

    def sentence(self, parameters: Json) -> str:
        """What its parameters say; "" if it has no words of its own, or they cannot be said (yet)."""
        return _said(self.in_words, parameters)


@dataclass
class _Registry:
    triggers: dict[str, Trigger] = field(default_factory=dict)
    actions: dict[str, Action] = field(default_factory=dict)


_registry = _Registry()


def register(*declared: Trigger | Action) -> None:
    """For `AppConfig.ready()`; the same key again replaces what was there."""
    for one in declared:
        if isinstance(one, Trigger):
            _registry.triggers[one.key] = one
        else:
            _registry.actions[one.key] = one


def trigger(key: str) -> Trigger | None:
    return _registry.triggers.get(key)


def action(key: str) -> Action | None:
    return _registry.actions.get(key)


def triggers() -> list[Trigger]:
    return list(_registry.triggers.values())


def actions() -> list[Action]:
    return list(_registry.actions.values())


def by_section() -> dict[str, list[Trigger]]:
    """Section -> its triggers, whether they can be chosen or not, in the order of the modal."""
    found = {name: [one for one in triggers() if one.section == name] for name in SECTIONS}
    return {name: those for name, those in found.items() if those}


def by_group() -> dict[str, list[Action]]:
    found = {name: [one for one in actions() if one.group == name] for name in GROUPS}
    return {name: those for name, those in found.items() if those}


def clean(parameters: Iterable[Parameter], given: Json) -> tuple[Json, dict[str, str]]:
    """(the values that are fine, {key: what is wrong with the others})."""
    values: Json = {}
    errors: dict[str, str] = {}
    for parameter in parameters:
        try:
            values[parameter.key] = parameter.clean(given.get(parameter.key, parameter.default))
        except ValueError as error:
            errors[parameter.key] = str(error)
    return values, errors


def _said(in_words: Callable[[Json], str] | None, parameters: Json) -> str:
    try:
        return in_words(parameters) if in_words else ""
    except (ValueError, LookupError, TypeError, AttributeError):
        # Drafts may be half-way, or speak of a field that was deleted; the list of problems says so.
        return ""


def _summary(label: str, parameters: Iterable[Parameter], given: Json) -> str:
    told = [
        f"{parameter.label}: {text}"
        for parameter in parameters
        if given.get(parameter.key) is not None and (text := parameter.words(given[parameter.key]))
    ]
    return f"{label} ({'; '.join(told)})" if told else label
