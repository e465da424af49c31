"""What somebody was asked before a campaign goes out. The yes is a yes to that, and to nothing that came after."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from campaigns.direct import Audience
from campaigns.models import Campaign


@dataclass(frozen=True)
class Question:
    """`about` is a fingerprint of the content and of who is chosen, `recipients` how many that were."""

    about: str
    recipients: int

    @classmethod
    def of(cls, campaign: Campaign, recipients: int) -> Question:
        audience = Audience.of(campaign)
        segments = sorted((segment.pk, json.dumps(segment.conditions, sort_keys=True)) for segment in audience.segments)
        shown = [campaign.updated_at.isoformat(), sorted(audience.lists), segments, audience.is_test]
        return cls(hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:32], recipients)

    def __str__(self) -> str:
        return f"{self.about}.{self.recipients}"

    def is_meant_by(self, confirmed: str) -> bool:
        """Contacts come while somebody reads: a number that is at most one in a hundred off is no other number."""
        about, _, number = confirmed.partition(".")
        if about != self.about or not number.isdecimal() or len(number) > 9:
            return False
        return abs(int(number) - self.recipients) * 100 <= self.recipients
