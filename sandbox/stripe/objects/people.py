"""Account, customer, address and payment method."""

from typing import TYPE_CHECKING, Any

from ..forms import Json
from ..ids import scramble

if TYPE_CHECKING:
    from ..book import Book
    from ..world import Account

ADDRESS_KEYS = ("city", "country", "line1", "line2", "postal_code", "state")
CARDS = (("visa", "4242"), ("mastercard", "4444"), ("amex", "0005"), ("visa", "1881"), ("mastercard", "8210"))


def address(values: Json | None) -> Json | None:
    """A complete address of what is given; None stays None."""
    return None if not values else {key: values.get(key) or None for key in ADDRESS_KEYS}


def account(source: "Account") -> Json:
    """What GET /v1/account answers."""
    missing: list[str] = (
        [] if source.charges_enabled else ["business_profile.url", "external_account", "tos_acceptance.date"]
    )
    state = "active" if source.charges_enabled else "inactive"
    needs = {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": missing,
        "disabled_reason": None if source.charges_enabled else "requirements.past_due",
        "errors": [],
        "eventually_due": missing,
        "past_due": missing,
        "pending_verification": [],
    }
    return {
        "id": source.id,
        "object": "account",
        "business_profile": _business_profile(source),
        "business_type": "company",
        "capabilities": {"card_payments": state, "transfers": state},
        "charges_enabled": source.charges_enabled,
        "controller": {"type": "account"},
        "country": source.country,
        "created": source.created,
        "default_currency": source.currency,
        "details_submitted": source.charges_enabled,
        "email": source.email,
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/accounts/{source.id}/external_accounts",
        },
        "future_requirements": {
            **needs,
            "currently_due": [],
            "disabled_reason": None,
            "eventually_due": [],
            "past_due": [],
        },
        "metadata": {},
        "payouts_enabled": source.charges_enabled,
        "requirements": needs,
        "settings": _settings(source),
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
        "type": "standard",
    }


def _business_profile(source: "Account") -> Json:
    return {
        "annual_revenue": None,
        "estimated_worker_count": None,
        "mcc": "5734",
        "minority_owned_business_designation": None,
        "name": source.name,
        "product_description": None,
        "support_address": None,
        "support_email": source.email,
        "support_phone": None,
        "support_url": None,
        "url": f"https://{source.email.partition('@')[2]}",
    }


def _settings(source: "Account") -> Json:
    descriptor = source.name.upper()[:22]
    names = ("statement_descriptor_kana", "statement_descriptor_kanji", "statement_descriptor_prefix_kana")
    return {
        "bacs_debit_payments": {"display_name": None, "service_user_number": None},
        "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
        "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            "statement_descriptor_prefix": None,
            "statement_descriptor_prefix_kana": None,
            "statement_descriptor_prefix_kanji": None,
        },
        "dashboard": {"display_name": source.name, "timezone": "Etc/UTC"},
        "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": None},
        "payments": {
            "statement_descriptor": descriptor,
            "statement_descriptor_prefix_kanji": None,
            **dict.fromkeys(names),
        },
        "payouts": {
            "debit_negative_balances": True,
            "schedule": {"delay_days": 2, "interval": "daily"},
            "statement_descriptor": None,
        },
        "sepa_debit_payments": {},
    }


def customer(book: "Book", **given: Any) -> Json:
    """A new customer; `given` are Stripe's parameters."""
    return customer_row(given.pop("id", None) or book.new_id("cus"), book.now(), book.livemode, given)


def customer_row(row_id: str, created: int, livemode: bool, given: Json) -> Json:
    shipping = given.get("shipping")
    if shipping:
        shipping = {
            "address": address(shipping.get("address")),
            "name": shipping.get("name"),
            "phone": shipping.get("phone"),
        }
    default = (given.get("invoice_settings") or {}).get("default_payment_method")
    return {
        "id": row_id,
        "object": "customer",
        "address": address(given.get("address")),
        "balance": 0,
        "created": created,
        "currency": given.get("currency"),
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": given.get("description"),
        "discount": None,
        "email": given.get("email"),
        "invoice_prefix": row_id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": default,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": livemode,
        "metadata": given.get("metadata") or {},
        "name": given.get("name"),
        "next_invoice_sequence": 1,
        "phone": given.get("phone"),
        "preferred_locales": list(given.get("preferred_locales") or []),
        "shipping": shipping or None,
        "tax_exempt": given.get("tax_exempt") or "none",
        "test_clock": None,
        **{name: given[name] for name in ("business_name", "individual_name") if given.get(name)},
    }


def billing_details(holder: Json | None) -> Json:
    """Billing details as a customer's card carries them; all null without a customer."""
    holder = holder or {}
    return {
        "address": address(holder.get("address")) or dict.fromkeys(ADDRESS_KEYS),
        "email": holder.get("email"),
        "name": holder.get("name"),
        "phone": holder.get("phone"),
        "tax_id": None,
    }


def card(book: "Book", holder: Json, **given: Any) -> Json:
    """A card as customers had them before payment methods. `given`: brand (Visa), last4, exp_month, exp_year."""
    place = holder.get("address") or {}
    return {
        "id": book.new_id("card"),
        "object": "card",
        "address_city": place.get("city"),
        "address_country": place.get("country"),
        "address_line1": place.get("line1"),
        "address_line1_check": None,
        "address_line2": place.get("line2"),
        "address_state": place.get("state"),
        "address_zip": place.get("postal_code"),
        "address_zip_check": None,
        "brand": given.get("brand") or "Visa",
        "country": place.get("country") or "US",
        "created": book.now(),
        "customer": holder["id"],
        "cvc_check": "pass",
        "dynamic_last4": None,
        "exp_month": int(given.get("exp_month") or 8),
        "exp_year": int(given.get("exp_year") or 2029),
        "fingerprint": scramble(f"card:{holder['id']}", 16),
        "funding": "credit",
        "last4": given.get("last4") or "4242",
        "metadata": {},
        "name": holder.get("name"),
        "tokenization_method": None,
        "wallet": None,
    }


def card_as_payment_method(book: "Book", row: Json) -> Json:
    """What Stripe answers where a card of old is asked for as a payment method: the same id, the new shape."""
    brands = {"American Express": "amex", "Diners Club": "diners"}
    brand = brands.get(row["brand"], row["brand"].lower())
    holder = {"name": row["name"], "address": {key: row.get(f"address_{key}") for key in ADDRESS_KEYS}}
    return payment_method(book, None, **{**row, "brand": brand}) | {
        "id": row["id"],
        "billing_details": billing_details(holder),
        "created": row["created"],
        "customer": row["customer"],
    }


def payment_method(book: "Book", holder: Json | None, **given: Any) -> Json:
    """A card, attached to the customer `holder` if there is one. `given`: brand, last4, exp_month, exp_year."""
    row_id = book.new_id("pm")
    brand, last4 = CARDS[sum(row_id.encode()) % len(CARDS)]
    brand = given.get("brand") or brand
    country = ((holder or {}).get("address") or {}).get("country") or "US"
    return {
        "id": row_id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing_details(holder),
        "card": {
            "brand": brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": country,
            "display_brand": brand,
            "exp_month": int(given.get("exp_month") or 1 + sum(row_id.encode()) % 12),
            "exp_year": int(given.get("exp_year") or 2028 + sum(row_id.encode()) % 4),
            "fingerprint": scramble(f"card:{row_id}", 16),
            "funding": "credit",
            "generated_from": None,
            "last4": given.get("last4") or last4,
            "networks": {"available": [brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": book.now(),
        "customer": holder["id"] if holder else None,
        "customer_account": None,
        "livemode": book.livemode,
        "metadata": given.get("metadata") or {},
        "type": "card",
    }
