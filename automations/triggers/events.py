"""Any event of a connected Stripe account."""

from __future__ import annotations

from automations.declarations import Json, Trigger
from automations.parameters import Choice, Row
from automations.triggers import sampling, switched_on
from connections.sources.stripe.events import EVENTS
from contacts.models import Activity, Kind

KINDS = (Kind.SOURCE_EVENT.value,)


def _matches(activity: Activity, parameters: Json) -> bool:
    account = parameters.get("account")
    return activity.data.get("event_type") == parameters.get("event") and (
        account is None or activity.data.get("connection") == account
    )


def _in_words(given: Json) -> str:
    type_, account = given["event"], given.get("account")
    label = EVENTS[type_].label if type_ in EVENTS else type_
    source = f" from {_ACCOUNT.words(account)}" if account is not None else ""
    return f"Stripe event “{label}” ({type_}) received{source}"


_ACCOUNT = Row(
    key="account",
    label="Account",
    required=False,
    help="Leave empty for every connected account.",
    offered=switched_on.accounts,
)
TRIGGERS = [
    Trigger(
        key="stripe_event",
        label="Stripe event received",
        section="CX Apps",
        description="Starts when Stripe tells of an event that is switched on at one of your resources.",
        icon="zap",
        kinds=KINDS,
        brings=("contact", "event"),
        parameters=(
            Choice(key="event", label="Event", offered=switched_on.offered),
            _ACCOUNT,
        ),
        matches=_matches,
        unavailable=switched_on.nothing_connected,
        samples=sampling.of_kinds(KINDS, _matches),
        in_words=_in_words,
    )
]
