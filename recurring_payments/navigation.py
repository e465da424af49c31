"""Where the pages of this app stand in the frame."""

from __future__ import annotations

from common import manage_data, navigation
from recurring_payments.field_order import ORDER


def register() -> None:
    navigation.register("Revenue", "Recurring payments", "recurring_payments:list", "repeat", order=10)
    manage_data.register(
        ORDER,
        label="Recurring payments",
        heading="Recurring payment fields",
        icon="repeat",
        sentence="The first five are shown on the contact.",
        order=10,
    )
