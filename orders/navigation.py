"""Where the pages of this app stand in the frame."""

from __future__ import annotations

from common import navigation


def register() -> None:
    navigation.register("Revenue", "Orders", "orders:list", "shopping-cart", order=20)
