"""Which events exist for us: one table of type, resource, and whether it is on by default.

Source: Stripe, "Types of events". Supporting events refresh objects we hold; they make no tag, trigger or log row.
"""

from __future__ import annotations

from dataclasses import dataclass

RESOURCES = ("charge", "customer", "subscription", "invoice", "checkout_session")


@dataclass(frozen=True)
class EventType:
    type: str
    resource: str
    label: str
    on: bool
    effect: str = "Creates or updates the contact"


_TABLE = [
    EventType("charge.succeeded", "charge", "Charge succeeded", True),
    EventType("charge.refunded", "charge", "Charge refunded", True),
    EventType("charge.failed", "charge", "Charge failed", False),
    EventType("charge.captured", "charge", "Charge captured", False),
    EventType("charge.pending", "charge", "Charge pending", False),
    EventType("charge.updated", "charge", "Charge updated", False),
    EventType("charge.expired", "charge", "Uncaptured charge expired", False),
    EventType("charge.dispute.created", "charge", "Dispute opened", False),
    EventType("charge.dispute.closed", "charge", "Dispute closed", False),
    EventType("payment_intent.payment_failed", "charge", "Payment attempt failed", False),
    EventType("customer.created", "customer", "Customer added", True),
    EventType("customer.updated", "customer", "Customer updated", True),
    EventType("customer.deleted", "customer", "Customer deleted", False),
    EventType("customer.subscription.created", "subscription", "Subscription created", True),
    EventType("customer.subscription.updated", "subscription", "Subscription updated", True),
    EventType("customer.subscription.deleted", "subscription", "Subscription deleted", True),
    EventType("customer.subscription.trial_will_end", "subscription", "Trial ends in three days", True),
    EventType("customer.subscription.paused", "subscription", "Subscription paused", False),
    EventType("customer.subscription.resumed", "subscription", "Subscription resumed", False),
    EventType("customer.subscription.pending_update_applied", "subscription", "Pending update applied", False),
    EventType("customer.subscription.pending_update_expired", "subscription", "Pending update expired", False),
    EventType("invoice.created", "invoice", "Invoice created", True),
    EventType("invoice.updated", "invoice", "Invoice updated", True),
    EventType("invoice.payment_failed", "invoice", "Invoice payment failed", True),
    EventType("invoice.payment_succeeded", "invoice", "Invoice payment succeeded", True),
    EventType("invoice.upcoming", "invoice", "Upcoming automatic payment", True),
    EventType("invoice.finalized", "invoice", "Invoice finalized", False),
    EventType("invoice.paid", "invoice", "Invoice paid", False),
    EventType("invoice.sent", "invoice", "Invoice sent", False),
    EventType("invoice.voided", "invoice", "Invoice voided", False),
    EventType("invoice.marked_uncollectible", "invoice", "Invoice marked uncollectible", False),
    EventType("invoice.payment_action_required", "invoice", "Payment needs the customer's action", False),
    EventType("invoice.overdue", "invoice", "Invoice overdue", False),
    EventType("invoice.will_be_due", "invoice", "Invoice due soon", False),
    EventType("invoice.finalization_failed", "invoice", "Invoice could not be finalized", False),
    EventType("invoice.deleted", "invoice", "Draft invoice deleted", False),
    EventType("checkout.session.completed", "checkout_session", "Checkout completed", True),
    EventType("checkout.session.async_payment_succeeded", "checkout_session", "Delayed payment succeeded", True),
    EventType("checkout.session.async_payment_failed", "checkout_session", "Delayed payment failed", True),
    EventType("checkout.session.expired", "checkout_session", "Checkout expired", False),
]
EVENTS = {event.type: event for event in _TABLE}

_CUSTOMER = ("customer.created", "customer.updated", "customer.deleted")
# What each resource needs kept fresh besides its own objects.
_MONEY = (
    "charge.succeeded",
    "charge.failed",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.closed",
    # One that fails later is told by these alone.
    "refund.created",
    "refund.updated",
    "refund.failed",
    "invoice_payment.paid",
)
_INVOICE = (
    "invoice.created",
    "invoice.updated",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.voided",
    "invoice.marked_uncollectible",
)
_BEHIND_IDS = (
    "price.updated",
    "product.updated",
    "payment_method.updated",
    "payment_method.automatically_updated",
    "payment_method.attached",
    "customer.source.created",
    "customer.source.updated",
    "customer.discount.created",
    "customer.discount.updated",
    "coupon.updated",
    "subscription_schedule.updated",
    "subscription_schedule.released",
    "subscription_schedule.canceled",
)
SUPPORTING: dict[str, tuple[str, ...]] = {
    "charge": (*_CUSTOMER, *_MONEY),
    "customer": ("customer.deleted",),
    "subscription": (*_CUSTOMER, *_INVOICE, *_MONEY, *_BEHIND_IDS),
    "invoice": (*_CUSTOMER, *_INVOICE, *_MONEY),
    "checkout_session": (*_CUSTOMER, *_MONEY),
}


def offered(resource: str) -> list[EventType]:
    """Events a resource may sync, in the order they are shown."""
    return [event for event in _TABLE if event.resource == resource]


def defaults(resource: str) -> list[str]:
    return [event.type for event in offered(resource) if event.on]


def wanted(resources: dict[str, list[str]]) -> list[str]:
    """Every type an endpoint must send for these resources (kind -> switched-on types), sorted."""
    types = {type_ for kind, chosen in resources.items() for type_ in (*chosen, *SUPPORTING[kind])}
    return sorted(types)
