"""Metadata: what a change does to it."""

from typing import Any

from .forms import Json


def merged(old: Json, given: Any) -> Json:
    """Stripe merges metadata: an empty value removes its key, an empty string removes all."""
    if not isinstance(given, dict):
        return {}
    return {key: value for key, value in {**old, **given}.items() if value != ""}
