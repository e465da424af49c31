"""Any event of a connected Stripe account."""

from __future__ import annotations

from automations.declarations import Json, Trigger
from automations.parameters import Choice, Row
from automations.triggers import sampling, switched_on
from contacts.models import Activity, Kind

KINDS = (Kind.SOURCE_EVENT.value,)


def _matches(activity: Activity, parameters: Json) -> bool:
    account = parameters.get("account")
    return activity.data.get("event_type") == parameters.get("event") and (
        account is None or activity.data.get("connection") == account
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
            Row(
                key="account",
                label="Account",
                required=False,
                help="Leave empty for every connected account.",
                offered=switched_on.accounts,
            ),
        ),
        matches=_matches,
        unavailable=switched_on.nothing_connected,
        samples=sampling.of_kinds(KINDS, _matches),
    )
]
