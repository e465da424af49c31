"""Around payments: one that failed, the first one, and paying by the year."""

from __future__ import annotations

from automations.recipes.recipe import Letter, Recipe, Step, begins, either, send, turns, wait, with_status


def _follow_up(mails: dict[str, int]) -> list[Step]:
    still_failing = with_status("PAYMENT_FAILED")
    return [send(mails["failed"]), wait(3), either(still_failing, [send(mails["again"])])]


FAILED = Recipe(
    key="payment_failed",
    name="Payment failed follow-up",
    description="Says kindly that a payment failed, and once more after three days if it still has not come.",
    icon="circle-alert",
    trigger=turns("PAYMENT_FAILED"),
    letters=(
        Letter(
            "failed",
            "first mail",
            "Your payment of {{ recurring_payment.payment_amount }} did not go through",
            (
                "the payment of {{ recurring_payment.payment_amount }} for {{ recurring_payment.name }} did not go "
                "through. Cards expire and banks are careful, so this happens.",
                '{% if recurring_payment.latest_invoice_url %}<a href="{{ recurring_payment.latest_invoice_url }}">'
                "Pay now, or with another card</a>{% else %}Please have a look at your payment method.{% endif %}",
            ),
        ),
        Letter(
            "again",
            "second mail",
            "Still open: {{ recurring_payment.payment_amount }} for {{ recurring_payment.name }}",
            (
                "your payment of {{ recurring_payment.payment_amount }} for {{ recurring_payment.name }} is open.",
                '{% if recurring_payment.latest_invoice_url %}<a href="{{ recurring_payment.latest_invoice_url }}">'
                "Pay now</a>{% endif %} If something is wrong, answer this mail and we find a way.",
            ),
        ),
    ),
    steps=_follow_up,
)
THANKS = Recipe(
    key="first_payment_thanks",
    name="Thanks for the first payment",
    description="Thanks a contact for the first order that was paid; later ones start nothing.",
    icon="banknote",
    trigger=begins("order_paid", once=True),
    letters=(
        Letter(
            "thanks",
            "thanks",
            "Thank you for your order",
            (
                "thank you! We received {{ order.total }}."
                "{% if order.number %} Your order is number {{ order.number }}.{% endif %}",
                "If you have a question, answer this mail.",
            ),
        ),
    ),
    steps=lambda mails: [send(mails["thanks"])],
)
_MONTHLY = {
    "match": "all",
    "items": [{"field": "recurring_payment.billing_interval", "operator": "is", "value": "MONTHLY"}],
}
YEARLY = Recipe(
    key="monthly_to_yearly",
    name="Monthly to yearly",
    description="Offers the yearly plan to those who have paid by the month for ninety days.",
    icon="calendar",
    trigger=begins("recurring_payment_created", which="segment", segment=_MONTHLY),
    letters=(
        Letter(
            "offer",
            "offer",
            "Pay {{ recurring_payment.name }} by the year?",
            (
                "you have been with us for three months, thank you! You pay {{ recurring_payment.payment_amount }} a "
                "month for {{ recurring_payment.name }}.",
                "By the year it costs less. Answer this mail and we change it for you.",
            ),
        ),
    ),
    steps=lambda mails: [wait(90), either(with_status("ACTIVE"), [send(mails["offer"])])],
)
