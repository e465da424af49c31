"""Checkout sessions and their line items."""

from typing import TYPE_CHECKING, Any

from ..forms import Json
from ..ids import scramble

if TYPE_CHECKING:
    from ..book import Book

NULL_KEYS = (  # noqa: SIM905 - one name a line says no more
    "after_expiration allow_promotion_codes billing_address_collection client_reference_id client_secret consent "
    "consent_collection currency_conversion customer customer_account customer_details customer_email "
    "integration_identifier invoice locale managed_payments origin_context payment_intent payment_link "
    "payment_method_configuration_details permissions presentment_details recovered_from setup_intent "
    "shipping_address_collection shipping_cost submit_type subscription wallet_options"
).split()


def line_item(book: "Book", price: Json, description: str, quantity: int = 1) -> Json:
    amount = (price["unit_amount"] or 0) * quantity
    return {
        "id": book.new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": description,
        "metadata": {},
        "price": price,
        "quantity": quantity,
    }


def session(book: "Book", mode: str, items: list[Json], **given: Any) -> Json:
    """An open session. `given`: customer, customer_email, customer_creation, metadata, client_reference_id."""
    row_id = book.new_id("cs_live" if book.livemode else "cs_test")
    amount = sum(item["amount_total"] for item in items)
    return {
        **dict.fromkeys(NULL_KEYS),
        "id": row_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": "https://shop.example/cancel",
        "client_reference_id": given.get("client_reference_id"),
        "collected_information": {"business_name": None, "individual_name": None, "shipping_details": None},
        "created": book.now(),
        "currency": items[0]["currency"] if items else book.account.currency,
        "custom_fields": [],
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "customer": given.get("customer"),
        "customer_creation": None if given.get("customer") else given.get("customer_creation") or "if_required",
        "customer_email": given.get("customer_email"),
        "discounts": [],
        "expires_at": book.now() + 86400,
        "invoice_creation": {"enabled": False, "invoice_data": _invoice_data()} if mode == "payment" else None,
        "livemode": book.livemode,
        "metadata": given.get("metadata") or {},
        "mode": mode,
        "payment_method_collection": "if_required" if mode == "payment" else "always",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "no_payment_required" if mode == "setup" else "unpaid",
        "phone_number_collection": {"enabled": False},
        "saved_payment_method_options": None,
        "shipping_options": [],
        "status": "open",
        "success_url": "https://shop.example/thank-you",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"https://checkout.stripe.com/c/pay/{row_id}#{scramble(f'session:{row_id}', 20)}",
    }


def _invoice_data() -> Json:
    return {
        "account_tax_ids": None,
        "custom_fields": None,
        "description": None,
        "footer": None,
        "issuer": None,
        "metadata": {},
        "rendering_options": None,
    }


def customer_details(person: Json) -> Json:
    """What the buyer typed: e-mail, name, phone, address."""
    return {
        "address": person.get("address"),
        "business_name": None,
        "email": person.get("email"),
        "individual_name": None,
        "name": person.get("name"),
        "phone": person.get("phone"),
        "tax_exempt": "none",
        "tax_ids": [],
    }
