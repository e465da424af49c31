"""Before something happens: a renewal, the end of a trial, a card that expires."""

from __future__ import annotations

from automations.recipes.recipe import Letter, Recipe, begins, send


def _days_before(field: str, days: int) -> dict[str, object]:
    return begins("date_of_recurring_payment", field=f"recurring_payment.{field}", days=days, when="before")


RENEWAL = Recipe(
    key="renewal_reminder",
    name="Renewal reminder",
    description="A week before the next payment, says what will be paid and when.",
    icon="refresh-cw",
    trigger=_days_before("next_payment_date", 7),
    letters=(
        Letter(
            "reminder",
            "reminder",
            "{{ recurring_payment.name }} renews on {{ recurring_payment.next_payment_date }}",
            (
                "a quick note before it happens: {{ recurring_payment.name }} renews on "
                "{{ recurring_payment.next_payment_date }}, for {{ recurring_payment.payment_amount }}.",
                "There is nothing to do. If something has changed, just answer this mail.",
            ),
        ),
    ),
    steps=lambda mails: [send(mails["reminder"])],
)
TRIAL = Recipe(
    key="trial_ending",
    name="Trial ending",
    description="Three days before a trial ends, says what comes next.",
    icon="clock",
    trigger=_days_before("trial_end_date", 3),
    letters=(
        Letter(
            "ending",
            "three days left",
            "Your trial ends on {{ recurring_payment.trial_end_date }}",
            (
                "your trial of {{ recurring_payment.name }} ends on {{ recurring_payment.trial_end_date }}. After "
                "that it costs {{ recurring_payment.payment_amount }}.",
                "Is something missing, or may we help you to set it up? Answer this mail, we read every one.",
            ),
        ),
    ),
    steps=lambda mails: [send(mails["ending"])],
)
CARD = Recipe(
    key="card_expiring",
    name="Card about to expire",
    description="Before the month in which a card expires, asks for a new one.",
    icon="credit-card",
    trigger=_days_before("payment_method_expiration", 14),
    letters=(
        Letter(
            "card",
            "new card",
            "Your card expires soon",
            (
                "the card ending in {{ recurring_payment.payment_method_last4 }}, with which you pay "
                "{{ recurring_payment.name }}, expires in {{ recurring_payment.payment_method_expiration }}.",
                "Please give us a new one before your payment of {{ recurring_payment.next_payment_date }}, so that "
                "nothing is interrupted.",
            ),
        ),
    ),
    steps=lambda mails: [send(mails["card"])],
)
