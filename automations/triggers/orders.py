"""What happens to orders. One purchase is one order; it is looked at when its parts have had time to meet."""

from __future__ import annotations

from automations.declarations import Trigger, everything
from automations.triggers import sampling
from contacts.models import Kind


def _order(kind: Kind, key: str, label: str, icon: str, description: str) -> Trigger:
    kinds = (kind.value,)
    return Trigger(
        key=key,
        label=label,
        section="Orders",
        description=description,
        icon=icon,
        kinds=kinds,
        brings=("contact", "order", "event"),
        samples=sampling.of_kinds(kinds, everything),
    )


TRIGGERS = [
    _order(Kind.ORDER_CREATED, "order_created", "Order created", "shopping-cart", "Starts when an order is placed."),
    _order(Kind.ORDER_PAID, "order_paid", "Order paid", "banknote", "Starts when an order has been paid."),
    _order(
        Kind.ORDER_REFUNDED,
        "order_refunded",
        "Order refunded",
        "rotate-ccw",
        "Starts when money of an order goes back, in part or whole.",
    ),
    _order(Kind.ORDER_DISPUTED, "order_disputed", "Order disputed", "shield", "Starts when an order is disputed."),
]
