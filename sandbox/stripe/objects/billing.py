"""Subscriptions with their items, and invoices with their lines."""

from typing import TYPE_CHECKING, Any

from ..forms import Json
from ..ids import scramble
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
    """A subscription over `items`; `given`: status, trial_start, trial_end, metadata, description, discounts."""
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
        "collection_method": "charge_automatically",
        "created": now,
        "currency": items[0]["price"]["currency"],
        "customer": customer,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": given.get("default_payment_method"),
        "default_source": None,
        "default_tax_rates": [],
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


def line(
    book: "Book", invoice: str, item: Json, amount: int, period: tuple[int, int], off: list[Json], text: str
) -> Json:
    """An invoice line for a subscription item. `amount`: before discounts, smallest unit; `off`: discount amounts."""
    price = item["price"]
    return {
        "id": book.new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": text,
        "discount_amounts": off,
        "discountable": True,
        "discounts": [],
        "invoice": invoice,
        "livemode": book.livemode,
        "metadata": {},
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": item["subscription"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": {"end": period[1], "start": period[0]},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item.get("quantity", 0),
        "quantity_decimal": str(item.get("quantity", 0)),
        "subscription": item["subscription"],
        "subtotal": amount,
        "taxes": [],
    }


def lines_list(invoice: str, lines: list[Json]) -> Json:
    """The first ten lines, as an invoice embeds them; the rest is paged."""
    listed = envelope(lines[:EMBEDDED], f"/v1/invoices/{invoice}/lines", len(lines) > EMBEDDED)
    return {**listed, "total_count": len(lines)}


def invoice(book: "Book", row_id: str, customer: Json, lines: list[Json], **given: Any) -> Json:
    """A draft invoice. `given`: currency, billing_reason, subscription (object), discounts, off, period."""
    subtotal = sum(row["amount"] for row in lines)
    off = given.get("off") or []
    total = subtotal - sum(row["amount"] for row in off)
    billed = given.get("subscription")
    now = book.now()
    period = given.get("period") or (now, now)
    return {
        "id": row_id,
        "object": "invoice",
        "account_country": book.account.country,
        "account_name": book.account.name,
        "account_tax_ids": None,
        "amount_due": total,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": total,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": now + 3600,
        "billing_reason": given.get("billing_reason") or "manual",
        "collection_method": "charge_automatically",
        "created": now,
        "currency": given["currency"],
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer.get("address"),
        "customer_email": customer.get("email"),
        "customer_name": customer.get("name"),
        "customer_phone": customer.get("phone"),
        "customer_shipping": customer.get("shipping"),
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": given.get("description"),
        "discounts": given.get("discounts") or [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": lines_list(row_id, lines),
        "livemode": book.livemode,
        "metadata": {},
        "next_payment_attempt": now + 3600,
        "number": None,
        "on_behalf_of": None,
        "parent": _parent(billed),
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": period[1],
        "period_start": period[0],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_details": None,
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "test_clock": None,
        "total": total,
        "total_discount_amounts": off,
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
    }


def _parent(subscription: Json | None) -> Json | None:
    if subscription is None:
        return None
    return {
        "quote_details": None,
        "subscription_details": {"metadata": subscription["metadata"], "subscription": subscription["id"]},
        "type": "subscription_details",
    }


def hosted(account: str, invoice: str) -> Json:
    """The public addresses an invoice has once it is finalised."""
    base = f"https://invoice.stripe.com/i/{account}/live_{scramble(f'hosted:{invoice}', 40)}"
    return {"hosted_invoice_url": base, "invoice_pdf": f"{base}/pdf"}
