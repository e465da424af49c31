"""Subscriptions with their items."""

from typing import TYPE_CHECKING, Any

from ..forms import Json
from ..lists import envelope
from .catalogue import plan_of

if TYPE_CHECKING:
    from ..book import Book

EMBEDDED = 10


def subscription_item(book: "Book", subscription: str, price: Json, quantity: int, period: tuple[int, int]) -> Json:
    """An item with its own period (since basil). Metered prices have no quantity."""
    item: Json = {
        "id": book.new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": book.now(),
        "current_period_end": period[1],
        "current_period_start": period[0],
        "current_trial": None,
        "discounts": [],
        "metadata": {},
        "plan": plan_of(price),
        "price": price,
        "subscription": subscription,
        "tax_rates": [],
    }
    if (price["recurring"] or {}).get("usage_type") != "metered":
        item["quantity"] = quantity
    return item


def items_list(book: "Book", subscription: str, items: list[Json]) -> Json:
    """The first ten items, as a subscription embeds them; the rest is paged."""
    if len(items) > EMBEDDED:
        book.details[subscription] = items
    url = f"/v1/subscription_items?subscription={subscription}"
    return {**envelope(items[:EMBEDDED], url, len(items) > EMBEDDED), "total_count": len(items)}


def items_of(book: "Book", subscription: Json) -> list[Json]:
    """All items, those that are not embedded too."""
    items: list[Json] = book.details.get(subscription["id"]) or subscription["items"]["data"]
    return items


def subscription(book: "Book", row_id: str, customer: str, items: list[Json], **given: Any) -> Json:
    """A subscription over `items`; `given`: status, trial_start, trial_end, metadata, description, discounts,
    tax_rates, and days_until_due, with which its invoices are sent instead of collected."""
    now = book.now()
    only = items[0] if len(items) == 1 else {}
    return {
        "id": row_id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": given.get("trial_end") or now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "send_invoice" if given.get("days_until_due") else "charge_automatically",
        "created": now,
        "currency": items[0]["price"]["currency"],
        "customer": customer,
        "customer_account": None,
        "days_until_due": given.get("days_until_due"),
        "default_payment_method": given.get("default_payment_method"),
        "default_source": None,
        "default_tax_rates": given.get("tax_rates") or [],
        "description": given.get("description"),
        "discounts": given.get("discounts") or [],
        "ended_at": None,
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "items": items_list(book, row_id, items),
        "latest_invoice": None,
        "livemode": book.livemode,
        "managed_payments": None,
        "metadata": given.get("metadata") or {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "plan": only.get("plan"),
        "quantity": only.get("quantity"),
        "schedule": None,
        "start_date": now,
        "status": given.get("status") or "incomplete",
        "status_details": None,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": given.get("trial_end"),
        "trial_settings": {"end_behavior": {"billing_cycle_anchor": None, "missing_payment_method": "create_invoice"}},
        "trial_start": given.get("trial_start"),
    }
