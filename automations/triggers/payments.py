"""What happens to payments and subscriptions at Stripe, by the names people know from other tools."""

from __future__ import annotations

from automations.declarations import Brought, Json, Trigger
from automations.parameters import YesNo
from automations.triggers import sampling, switched_on
from contacts.models import Activity, Kind

KINDS = (Kind.SOURCE_EVENT.value,)
CHARGE, INTENT = "charge.failed", "payment_intent.payment_failed"


def _failed(activity: Activity, parameters: Json) -> bool:
    type_ = activity.data.get("event_type")
    return type_ == CHARGE or (type_ == INTENT and not parameters.get("ignore_payment_intents"))


def _lacks_charges(parameters: Json) -> list[str]:
    if parameters.get("ignore_payment_intents") and CHARGE not in switched_on.types():
        return ["Payment intents are ignored and “Charge failed” is switched off, so nothing would start this."]
    return []


def _failed_in_words(given: Json) -> str:
    ignored = given["ignore_payment_intents"]
    return f"Failed Payment: a charge fails{'' if ignored else ', or a payment intent'}"


def _named(key: str, label: str, type_: str, icon: str, description: str, *more: Brought) -> Trigger:
    """A trigger that is one event of Stripe under a name of its own."""

    def matches(activity: Activity, _parameters: Json) -> bool:
        return bool(activity.data.get("event_type") == type_)

    return Trigger(
        key=key,
        label=label,
        section="Payments",
        description=description,
        icon=icon,
        kinds=KINDS,
        brings=("contact", "event", *more),
        matches=matches,
        unavailable=switched_on.lacking(type_),
        samples=sampling.of_kinds(KINDS, matches),
    )


TRIGGERS = [
    _named(
        "canceled_subscription",
        "Canceled Subscription",
        "customer.subscription.deleted",
        "circle-x",
        "Starts when a subscription has ended, cancelled at once or at the end of its paid period. "
        "A cancellation that is only scheduled does not start it yet.",
        "recurring_payment",
    ),
    Trigger(
        key="failed_payment",
        label="Failed Payment",
        section="Payments",
        description="Starts when an attempt to pay fails.",
        icon="circle-alert",
        kinds=KINDS,
        brings=("contact", "event"),
        parameters=(
            YesNo(
                key="ignore_payment_intents",
                label="Ignore payment intents",
                help="Stripe tells of most failed attempts twice: by the charge and by its payment intent. "
                "Yes: only failed charges start this. No: both do.",
            ),
        ),
        matches=_failed,
        unavailable=switched_on.lacking(CHARGE, INTENT),
        samples=sampling.of_kinds(KINDS, _failed),
        problems=_lacks_charges,
        in_words=_failed_in_words,
    ),
    _named(
        "new_dispute",
        "New Dispute",
        "charge.dispute.created",
        "shield",
        "Starts when a customer disputes a charge.",
    ),
    _named(
        "checkout_session_completed",
        "Checkout Session Completed",
        "checkout.session.completed",
        "shopping-cart",
        "Starts when a customer has completed a checkout.",
    ),
    _named(
        "invoice_payment_failed",
        "Invoice Payment Failed",
        "invoice.payment_failed",
        "receipt",
        "Starts when an invoice could not be paid.",
    ),
    _named(
        "new_customer",
        "New Customer",
        "customer.created",
        "user-plus",
        "Starts when a customer is added at Stripe.",
    ),
    _named(
        "new_subscription",
        "New Subscription",
        "customer.subscription.created",
        "repeat",
        "Starts when a customer subscribes to a plan.",
        "recurring_payment",
    ),
]
