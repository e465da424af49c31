"""Payment intents, charges, refunds, disputes and what ties a payment to its invoice."""

from typing import TYPE_CHECKING, Any

from ..forms import Json
from ..ids import scramble
from .people import billing_details

if TYPE_CHECKING:
    from ..book import Book


def payment_intent(book: "Book", amount: int, currency: str, **given: Any) -> Json:
    """An intent that awaits its payment; `status` and the rest change as the payment goes on."""
    row_id = book.new_id("pi")
    return {
        "id": row_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{row_id}_secret_{scramble(row_id, 24)}",
        "confirmation_method": "automatic",
        "created": book.now(),
        "currency": currency,
        "customer": given.get("customer"),
        "customer_account": None,
        "description": given.get("description"),
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": book.livemode,
        "managed_payments": None,
        "metadata": given.get("metadata") or {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_details": None,
        "payment_method": given.get("payment_method"),
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": given.get("receipt_email"),
        "review": None,
        "setup_future_usage": given.get("setup_future_usage"),
        "shipping": given.get("shipping"),
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def charge(book: "Book", intent: Json, method: Json, succeeded: bool = True, billing: Json | None = None) -> Json:
    """The charge of an intent by a card. Billing details are all null unless the payer typed them (`billing`)."""
    row_id = book.new_id("ch")
    amount = intent["amount"]
    return {
        "id": row_id,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount if succeeded else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": f"txn_{scramble(f'txn:{row_id}', 24)}" if succeeded else None,
        "billing_details": billing or billing_details(None),
        "calculated_statement_descriptor": book.account.name.upper()[:22],
        "captured": succeeded,
        "created": book.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "destination": None,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None if succeeded else "card_declined",
        "failure_message": None if succeeded else "Your card has insufficient funds.",
        "fraud_details": {},
        "livemode": book.livemode,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "order": None,
        "outcome": _outcome(succeeded),
        "paid": succeeded,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": _card_details(method["card"], amount), "type": "card"},
        "presentment_details": None,
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": f"https://pay.stripe.com/receipts/payment/{scramble(f'receipt:{row_id}', 40)}"
        if succeeded
        else None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded" if succeeded else "failed",
        "transfer_data": None,
        "transfer_group": None,
    }


def _outcome(succeeded: bool) -> Json:
    return {
        "advice_code": None if succeeded else "try_again_later",
        "network_advice_code": None,
        "network_decline_code": None if succeeded else "51",
        "network_status": "approved_by_network" if succeeded else "declined_by_network",
        "reason": None if succeeded else "insufficient_funds",
        "risk_level": "normal",
        "seller_message": "Payment complete."
        if succeeded
        else "The bank returned the decline code `insufficient_funds`.",
        "type": "authorized" if succeeded else "issuer_declined",
    }


def _card_details(card: Json, amount: int) -> Json:
    copied = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return {
        **{name: card[name] for name in copied},
        "amount_authorized": amount,
        "authorization_code": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": None,
        "transaction_link_id": None,
        "wallet": None,
    }


def card_error(charge: Json, method: Json) -> Json:
    """`last_payment_error` of an intent whose card was declined."""
    return {
        "charge": charge["id"],
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "doc_url": "https://docs.stripe.com/error-codes/card-declined",
        "message": "Your card has insufficient funds.",
        "payment_method": method,
        "type": "card_error",
    }


def invoice_payment(book: "Book", invoice: Json, intent: Json) -> Json:
    """The tie between an invoice and its payment intent, still open."""
    return {
        "id": book.new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_due"],
        "created": book.now(),
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": book.livemode,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def refund(book: "Book", charge: Json, amount: int, reason: str | None) -> Json:
    row_id = book.new_id("re")
    return {
        "id": row_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": f"txn_{scramble(f'txn:{row_id}', 24)}",
        "charge": charge["id"],
        "created": book.now(),
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {
            "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
            "type": "card",
        },
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


EVIDENCE_KEYS = (  # noqa: SIM905 - one name a line says no more
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal "
    "customer_communication customer_email_address customer_name customer_purchase_ip customer_signature "
    "duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description receipt "
    "refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation "
    "shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number "
    "uncategorized_file uncategorized_text"
).split()


def dispute(book: "Book", charge: Json, email: str | None, reason: str) -> Json:
    return {
        "id": book.new_id("du"),
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": book.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(EVIDENCE_KEYS), "customer_email_address": email, "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": book.now() + 8 * 86400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": book.livemode,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": charge["payment_method_details"]["card"]["brand"],
                "case_type": "chargeback",
                "network": charge["payment_method_details"]["card"]["brand"],
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    }
