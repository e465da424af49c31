"""A contact sent through a draft to see what would happen: each step is really worked, in a transaction that is taken
back at the end. So what a step changes is seen by those after it, and nothing is written or sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from automations import flow, picture
from automations.declarations import Outcome, Step, action, failed
from automations.dispatch import Subjects, event_of
from automations.models import Automation, AutomationVersion, Run
from campaigns import links, values
from campaigns.models import Campaign, DeliverySettings
from campaigns.rendering import CannotRender, Rendered, render
from common.due import State
from contacts.merging import hold_merges
from contacts.models import Activity, Contact
from orders.models import Order, OrderQuerySet
from recurring_payments.models import RecurringPayment
from segments import conditions
from segments.compiling import matches

MOST = 250


@dataclass(frozen=True)
class Passed:
    """What one step would do. `kind` as of its outcome; `mail` as the contact would get it."""

    label: str
    icon: str
    kind: str
    message: str
    branch: str = ""
    mail: Rendered | None = None


class _TakenBack(Exception):
    """Ends the transaction."""


def walk(automation: Automation, contact: Contact, activity: Activity | None = None) -> list[Passed]:
    """The way of this contact through the draft, as if the activity started it now."""
    passed: list[Passed] = []
    try:
        with transaction.atomic():
            hold_merges()
            passed.extend(_way(_begin(automation, contact, activity)))
            raise _TakenBack
    except _TakenBack:
        return passed


def _begin(automation: Automation, contact: Contact, activity: Activity | None) -> Run:
    number = automation.versions.aggregate(last=Max("number"))["last"] or 0
    version = AutomationVersion.objects.create(
        automation=automation,
        number=number + 1,
        triggers=automation.triggers,
        steps=automation.steps,
        exit_conditions=automation.exit_conditions,
    )
    payment, order = _about(contact, activity)
    return Run.objects.create(
        automation=automation,
        version=version,
        contact=contact,
        recurring_payment=payment,
        order=order,
        activity=activity,
        start_key=f"walk:{timezone.now().timestamp()}",
        started_by=activity.summary if activity else "A walk through",
        trigger=automation.triggers[0]["key"] if automation.triggers else "",
        event=event_of(activity) if activity else {},
        is_test=contact.is_test,
        step=flow.first(automation.steps),
        state=State.RUNNING,
    )


def _about(contact: Contact, activity: Activity | None) -> tuple[RecurringPayment | None, Order | None]:
    """What the activity is about; without one, the contact's newest."""
    if activity is None:
        payments = RecurringPayment.objects.filter(contact=contact).order_by("-start_date", "-pk")
        return payments.first(), Order.objects.filter(contact=contact).order_by("-placed_at", "-pk").first()
    about = Subjects([activity])
    payment, order = about.payment(activity), about.order(activity)
    return (
        RecurringPayment.objects.filter(pk=payment).first() if payment else None,
        Order.objects.filter(pk=order).first() if order else None,
    )


def _way(run: Run) -> Iterator[Passed]:
    steps, exits = run.version.steps, run.version.exit_conditions
    for _ in range(MOST):
        found = flow.find(steps, run.step)
        if found is None:
            return
        if reason := _leaves(exits, run):
            yield Passed("Leaves early", "log-out", "end", reason)
            return
        outcome = _outcome(found, run)
        yield _passed(found, outcome, run)
        if outcome.kind in ("failed", "end"):
            return
        branching = outcome.kind == "branch"
        run.step = flow.into(steps, run.step, outcome.branch) if branching else flow.after(steps, run.step)
        run.wake_at = None


def _leaves(exits: Any, run: Run) -> str:
    try:
        leaves = bool(exits) and matches(conditions.parse(exits), run.contact_id)
    except conditions.ConditionError as error:
        return str(error)
    return "The contact matches the conditions to leave." if leaves else ""


def _outcome(found: flow.Step, run: Run) -> Outcome:
    """Worked in a savepoint of its own, so that one that fails leaves the walk standing."""
    declared = action(found["action"])
    if declared is None:
        return failed("This action does not exist any more.")
    step = Step(found["id"], found["action"], found.get("parameters", {}), f"walk:{run.pk}:{found['id']}")
    try:
        with transaction.atomic():
            return declared.perform(step, run)
    except (LookupError, TypeError, ValueError) as error:
        # A draft may lack what an active version has; its card says what.
        return failed(f"It is not complete yet: {error}" if str(error) else "It is not complete yet.")


def _passed(found: flow.Step, outcome: Outcome, run: Run) -> Passed:
    declared = action(found["action"])
    message, mail = outcome.message, None
    if declared and declared.would and outcome.kind == "next":
        message = declared.would(Step(found["id"], found["action"], found.get("parameters", {}), ""), run)
    if outcome.kind == "wait":
        message = f"{message} The walk goes on at once."
    if outcome.kind != "failed" and (campaign := picture.campaign_of(found)):
        mail, problem = _mail(campaign, run)
        message = problem or message
    names = dict(declared.branches) if declared else {}
    branch = names.get(outcome.branch, outcome.branch)
    icon = declared.icon if declared else "circle-alert"
    return Passed(picture.label(found), icon, outcome.kind, message, branch, mail)


def _mail(pk: int, run: Run) -> tuple[Rendered | None, str]:
    """(the mail with this contact's values, why there would be none)."""
    campaign = Campaign.objects.filter(pk=pk).first()
    if campaign is None:
        return None, "The mail of this step was deleted."
    order = OrderQuerySet(Order).filter(pk=run.order_id).with_parts().first() if run.order_id else None
    said = values.of_mail(
        run.contact,
        recurring_payment=run.recurring_payment,
        order=order,
        event=run.event,
        unsubscribe_url=links.example_unsubscribe_url(),
    )
    try:
        return render(campaign, said, DeliverySettings.current()), ""
    except CannotRender as error:
        return None, f"The mail could not be made: {error}"
