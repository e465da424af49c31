"""Where the pages of this app stand in the frame."""

from __future__ import annotations

from common import manage_data, navigation
from orders.field_order import ORDER


def register() -> None:
    navigation.register("Revenue", "Orders", "orders:list", "shopping-cart", order=20)
    manage_data.register(
        ORDER,
        label="Orders",
        heading="Order fields",
        icon="shopping-cart",
        sentence="The first two are shown on the contact.",
        order=20,
    )
