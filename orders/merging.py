"""Orders that turn out to be one purchase: what other apps keep about the one that goes follows the one that stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import models

# follow({order that goes: order that stays}), by primary keys, inside the transaction that merges them.
Follow = Callable[[Mapping[int, int]], None]
_followers: dict[str, Follow] = {}


def register(name: str, follow: Follow) -> None:
    """Have rows of another app follow their order. For `AppConfig.ready()`; the same name again replaces it."""
    _followers[name] = follow


def rows_of(model: type[models.Model]) -> Follow:
    """Moves the rows of a model whose foreign key is called `order`."""

    def follow(heirs: Mapping[int, int]) -> None:
        rows = model._default_manager.filter(order__in=heirs)
        # In order of id, so that two workers do not lock crosswise.
        found = list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", "order_id"))
        for heir in sorted({heirs[order] for _, order in found}):
            moving = [pk for pk, order in found if heirs[order] == heir]
            model._default_manager.filter(pk__in=moving).update(order_id=heir)

    return follow


def follow(heirs: Mapping[int, int]) -> None:
    """Before the orders that go are deleted."""
    for one in _followers.values():
        one(heirs)
