"""What a recipe is, and the pieces recipes are written with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Step = dict[str, Any]
_FOOT = '<p><small>{{ workspace.name }} · <a href="{{ unsubscribe_url }}">Unsubscribe</a></small></p>'


@dataclass(frozen=True)
class Letter:
    """A mail of a recipe; `paragraphs` are HTML with personalization tags."""

    key: str
    name: str
    subject: str
    paragraphs: tuple[str, ...]

    @property
    def html(self) -> str:
        hello = '<p>Hello {{ contact.first_name | default: "there" }},</p>'
        return "\n".join([hello, *(f"<p>{one}</p>" for one in self.paragraphs), _FOOT])


@dataclass(frozen=True)
class Recipe:
    """`steps` gets the mails' primary keys by the letters' keys; the steps get their ids later."""

    key: str
    name: str
    description: str
    icon: str
    trigger: dict[str, Any]
    letters: tuple[Letter, ...]
    steps: Callable[[dict[str, int]], list[Step]]


def begins(trigger: str, *, once: bool = False, **parameters: Any) -> dict[str, Any]:
    return {"key": trigger, "parameters": parameters, "conditions": None, "once": once}


def step(action: str, **parameters: Any) -> Step:
    return {"id": "", "action": action, "parameters": parameters}


def send(mail: int) -> Step:
    return step("send_mail", campaign=mail)


def wait(amount: int, unit: str = "days") -> Step:
    return step("wait", duration={"amount": amount, "unit": unit})


def either(conditions: dict[str, Any], yes: list[Step], no: list[Step] | None = None) -> Step:
    return step("if_else", conditions=conditions) | {"branches": {"yes": yes, "no": no or []}}


def with_status(status: str, quantifier: str = "any") -> dict[str, Any]:
    """Contacts with any, or none, of their recurring payments in this status."""
    asked = {"field": "recurring_payment.normalized_status", "operator": "is", "value": status}
    about = {"about": "recurring_payment", "quantifier": quantifier, "match": "all", "conditions": [asked]}
    return {"match": "all", "items": [about]}


def turns(status: str) -> dict[str, Any]:
    """When a recurring payment comes into this status, whatever it was before."""
    parameters = {"field": "normalized_status", "from": None, "to": status}
    return begins("recurring_payment_updated") | {"parameters": parameters}
