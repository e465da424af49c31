"""Mails: to the contact, and to colleagues."""

from __future__ import annotations

from automations import notices
from automations.declarations import Action, Json, Outcome, Step, failed, go_on
from automations.models import Run
from automations.parameters import Campaign as CampaignParameter
from automations.parameters import Row, Text
from campaigns import sending
from campaigns.models import Campaign
from campaigns.personalization import uses_event, uses_order, uses_recurring_payment
from common import once
from users.models import User

NO_RECURRING_PAYMENT = (
    "This mail uses recurring payment tags. They work only in an automation that starts with a recurring payment "
    "trigger: change the trigger, or take the tags out of the mail."
)
NO_ORDER = "This mail uses order tags. They work only in an automation that starts with an order."
NO_EVENT = (
    "This mail uses event tags. They work only in an automation that starts with an event: change the trigger, or take "
    "the tags out of the mail."
)


@once.kept
def campaigns() -> list[tuple[str, str]]:
    return [(str(pk), name) for pk, name in Campaign.objects.automated().order_by("name").values_list("pk", "name")]


@once.kept
def colleagues() -> list[tuple[str, str]]:
    return [(str(user.pk), str(user)) for user in User.objects.active()]


def _send(step: Step, run: Run) -> Outcome:
    campaign = Campaign.objects.filter(pk=step.parameters["campaign"]).first()
    if campaign is None:
        return failed("The mail of this step was deleted.", permanent=True)
    sending.queue(
        campaign,
        run.contact_id,
        key=step.key,
        recurring_payment_id=run.recurring_payment_id,
        order_id=run.order_id,
        event=run.event,
        is_test=run.is_test,
        asked_by=step.key,
    )
    return go_on(f"Mail “{campaign.name}” queued.")


def _refused_tags(parameters: Json, brings: frozenset[str]) -> list[str]:
    campaign = Campaign.objects.filter(pk=parameters["campaign"]).first()
    if campaign is None:
        return []
    found = []
    if "recurring_payment" not in brings and uses_recurring_payment(campaign):
        found.append(NO_RECURRING_PAYMENT)
    if "order" not in brings and uses_order(campaign):
        found.append(NO_ORDER)
    if "event" not in brings and uses_event(campaign):
        found.append(NO_EVENT)
    return found


def _notify(step: Step, run: Run) -> Outcome:
    user = User.objects.active().filter(pk=step.parameters["user"]).first()
    if user is None:
        return failed("The person to be notified cannot sign in any more. Choose another.", permanent=True)
    if run.is_test:
        return go_on(f"{user} would be notified. Test runs send nothing.")
    lines = [step.parameters["message"], "", f"Contact: {run.contact}", f"Why: {run.started_by}"]
    notices.queue(user, step.parameters["subject"], "\n".join(lines), key=step.key, url=run.contact.get_absolute_url())
    return go_on(f"{user} is notified.")


def _would_send(step: Step, run: Run) -> str:
    parameter = SEND.parameters[0]
    return f"Would send “{parameter.words(step.parameters['campaign'])}” to {run.contact.email or 'no address'}."


SEND = Action(
    key="send_mail",
    label="Send a mail",
    group="Send",
    description="Sends one of your automated campaigns to the contact.",
    icon="mail",
    perform=_send,
    parameters=(CampaignParameter(key="campaign", label="Mail", offered=campaigns),),
    problems=_refused_tags,
    would=_would_send,
)
_WHO = Row(key="user", label="Who", offered=colleagues)
ACTIONS = [
    SEND,
    Action(
        key="notify_user",
        label="Notify a colleague",
        group="Send",
        description="Sends a short mail to somebody of your team.",
        icon="user",
        perform=_notify,
        parameters=(
            _WHO,
            Text(key="subject", label="Subject", longest=150),
            Text(key="message", label="Message", longest=2000, rows=4),
        ),
        in_words=lambda given: f"“{given['subject']}” to {_WHO.words(given['user'])}",
    ),
]
