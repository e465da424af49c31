"""After a subscription has ended: why, and whether to come back."""

from __future__ import annotations

from automations.recipes.recipe import Letter, Recipe, either, send, turns, wait, with_status

SURVEY = Recipe(
    key="cancellation_survey",
    name="Cancellation survey",
    description="An hour after a cancellation, asks one question: why.",
    icon="message-square",
    trigger=turns("CANCELLED"),
    letters=(
        Letter(
            "why",
            "one question",
            "One question about {{ recurring_payment.name }}",
            (
                "your subscription of {{ recurring_payment.name }} has ended. We are sorry to see you go.",
                "What should have been different? One sentence as an answer to this mail helps us a lot.",
            ),
        ),
    ),
    steps=lambda mails: [wait(1, "hours"), send(mails["why"])],
)
WIN_BACK = Recipe(
    key="win_back",
    name="Win-back",
    description="A month after a cancellation, invites back who has not returned by then.",
    icon="rotate-ccw",
    trigger=turns("CANCELLED"),
    letters=(
        Letter(
            "back",
            "invitation",
            "We kept your place",
            (
                "a month ago you left {{ recurring_payment.name }}. Your data is still here.",
                "Would you like to have another look? Answer this mail and we set it up again for you.",
            ),
        ),
    ),
    steps=lambda mails: [wait(30), either(with_status("ACTIVE", "none"), [send(mails["back"])])],
)
