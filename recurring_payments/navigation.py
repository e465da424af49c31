"""Where the pages of this app stand in the frame."""

from __future__ import annotations

from common import manage_data, navigation, settings_menu


def register() -> None:
    navigation.register("Revenue", "Recurring payments", "recurring_payments:list", "repeat", order=10)
    settings_menu.register("Manage data", "recurring_payments:manage-data", order=25, role="marketer")
    manage_data.register(
        "Recurring payments",
        "recurring_payments:fields",
        "repeat",
        "The order of the fields on contacts and in the details",
        order=10,
    )
