"""Whether people are offered anything about recurring payments: conditions, triggers, personalization tags."""

from __future__ import annotations

from recurring_payments.models import RecurringPayment


def are_known() -> bool:
    """Once the first one was synced, from whatever source. Until then such entries would match nobody."""
    return RecurringPayment.objects.exists()
