"""Which automations send a campaign, so that it is not broken or put away while they run."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q

from automations import checking, flow
from automations.models import Automation, AutomationVersion, Run
from campaigns import usage
from campaigns.usage import Use


def register() -> None:
    usage.register("automations", sending)


def sending(campaign: int) -> Iterator[Use]:
    """One for each automation: what all of its versions bring that run, or that contacts are in.

    A draft is not among them; it says itself what is wrong with it, before it is activated.
    """
    inside = Run.objects.under_way().values("version")
    at_work = Q(current_of__state__in=[Automation.State.ACTIVE, Automation.State.PAUSED])
    versions = AutomationVersion.objects.filter(at_work | Q(pk__in=inside)).select_related("automation").distinct()
    found: dict[Automation, frozenset[str]] = {}
    for version in versions.order_by("automation__name", "pk"):
        if _sends(version.steps, campaign):
            brought = checking.brings(version.triggers)
            found[version.automation] = found.get(version.automation, brought) & brought
    for automation, brought in found.items():
        yield Use(automation.name, automation.get_absolute_url(), brought)


def _sends(steps: flow.Steps, campaign: int) -> bool:
    return any(
        step["action"] == "send_mail" and step.get("parameters", {}).get("campaign") == campaign
        for step in flow.walk(steps)
    )
