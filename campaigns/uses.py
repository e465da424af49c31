"""Which campaigns use a segment, so that none is deleted from under them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.urls import reverse

from campaigns.models import Campaign
from segments import usage
from segments.usage import Use


def register() -> None:
    usage.register("campaigns", _uses)


def _uses(segments: Collection[int]) -> Iterator[Use]:
    """Those still to be sent; what went out is history."""
    found = Campaign.segments.through._default_manager.filter(
        segment__in=segments, campaign__archived_at=None, campaign__sending__finished_at=None
    )
    for segment, pk, name in found.order_by("campaign__name").values_list("segment", "campaign", "campaign__name"):
        yield Use(segment, "Campaign", name, reverse("campaigns:detail", args=[pk]))
