"""Invoices with their lines."""

from typing import TYPE_CHECKING, Any

from ..forms import Json
from ..ids import scramble
from ..lists import envelope
from .billing import EMBEDDED
from .catalogue import Part

if TYPE_CHECKING:
    from ..book import Book


def line(
    book: "Book", invoice: str, item: Json, part: Part, period: tuple[int, int], off: list[Json], text: str
) -> Json:
    """An invoice line for a subscription item, or one tier of it. `off`: discount amounts."""
    price, amount = item["price"], part.amount
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
            "unit_amount_decimal": part.unit_amount_decimal,
        },
        "quantity": part.quantity,
        "quantity_decimal": str(part.quantity),
        "subscription": item["subscription"],
        "subtotal": amount,
        "taxes": [],
    }


def lines_list(invoice: str, lines: list[Json]) -> Json:
    """The first ten lines, as an invoice embeds them; the rest is paged."""
    listed = envelope(lines[:EMBEDDED], f"/v1/invoices/{invoice}/lines", len(lines) > EMBEDDED)
    return {**listed, "total_count": len(lines)}


def invoice(book: "Book", row_id: str, customer: Json, lines: list[Json], **given: Any) -> Json:
    """A draft invoice. `given`: currency, billing_reason, subscription (object), discounts, off, period, shipping."""
    subtotal = sum(row["amount"] for row in lines)
    off = given.get("off") or []
    billed: Json = given.get("subscription") or {}
    shipping = int(given.get("shipping") or 0)
    taxable = subtotal - sum(row["amount"] for row in off)
    taxes = [_tax(rate, taxable) for rate in billed.get("default_tax_rates", []) if taxable]
    tax = sum(row["amount"] for row in taxes)
    total = taxable + tax + shipping
    now = book.now()
    sent = billed.get("collection_method") == "send_invoice"
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
        "amount_shipping": shipping,
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
        "collection_method": "send_invoice" if sent else "charge_automatically",
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
        "due_date": now + billed["days_until_due"] * 86400 if sent else None,
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
        "next_payment_attempt": None if sent else now + 3600,
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
        "shipping_cost": _shipping_cost(shipping) if shipping else None,
        "shipping_details": customer.get("shipping") if shipping else None,
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
        "total_excluding_tax": total - tax,
        "total_pretax_credit_amounts": [],
        "total_taxes": taxes,
        "webhooks_delivered_at": None,
    }


def _tax(rate: Json, taxable: int) -> Json:
    return {
        "amount": round(taxable * rate["percentage"] / 100),
        "tax_behavior": "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "standard_rated",
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    }


def _shipping_cost(amount: int) -> Json:
    return {"amount_subtotal": amount, "amount_tax": 0, "amount_total": amount, "shipping_rate": None}


def _parent(subscription: Json) -> Json | None:
    if not subscription:
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
