"""Started by a person, or by another automation."""

from __future__ import annotations

from automations.declarations import Trigger

STARTED = "started"
TRIGGERS = [
    Trigger(
        key=STARTED,
        label="Started by hand or by another automation",
        section="Other",
        description="Starts when a person puts a contact into it, or another automation does.",
        icon="play",
        offers_conditions=False,
    )
]
