"""Subscription schedules: phases that follow one another, and what comes after the last."""

from typing import TYPE_CHECKING

from ..forms import Json

if TYPE_CHECKING:
    from ..book import Book


def schedule(book: "Book", subscription: Json, end: int, end_behavior: str) -> Json:
    """A schedule of one phase, from the subscription's start to `end`."""
    start = subscription["start_date"]
    return {
        "id": book.new_id("sub_sched"),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": subscription["billing_mode"],
        "canceled_at": None,
        "completed_at": None,
        "created": book.now(),
        "current_phase": {"end_date": end, "start_date": start},
        "customer": subscription["customer"],
        "customer_account": None,
        "default_settings": {
            "application_fee_percent": None,
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": "automatic",
            "billing_thresholds": None,
            "collection_method": subscription["collection_method"],
            "default_payment_method": None,
            "description": None,
            "invoice_settings": {"account_tax_ids": None, "days_until_due": None, "issuer": {"type": "self"}},
            "on_behalf_of": None,
            "transfer_data": None,
        },
        "end_behavior": end_behavior,
        "livemode": book.livemode,
        "metadata": {},
        "phases": [_phase(subscription, start, end)],
        "released_at": None,
        "released_subscription": None,
        "status": "active",
        "subscription": subscription["id"],
        "test_clock": None,
    }


def _phase(subscription: Json, start: int, end: int) -> Json:
    items = [
        {
            "billing_thresholds": None,
            "discounts": [],
            "metadata": {},
            "plan": item["price"]["id"],
            "price": item["price"]["id"],
            "quantity": item.get("quantity"),
            "tax_rates": [],
        }
        for item in subscription["items"]["data"]
    ]
    nothing = ("billing_cycle_anchor", "billing_thresholds", "collection_method", "default_payment_method")
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "currency": subscription["currency"],
        "description": None,
        "discounts": [],
        "end_date": end,
        "invoice_settings": None,
        "items": items,
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": "create_prorations",
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
        **dict.fromkeys(nothing),
    }
