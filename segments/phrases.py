"""What people say instead of field, comparison and value: «is active» for «Recurring payment status is Active».

Each is the end of a sentence about a contact, a recurring payment or an order: «a recurring payment that is active».
"""

from __future__ import annotations

from segments.conditions import Condition
from segments.fields import CUSTOMER, LIST, ORDER_COUNT, PAID_TOTAL, RECURRING_PAYMENT_COUNT, TAG, ConditionField

# For a field with choices: value -> (is, is not).
_STATUS = {
    "ACTIVE": ("is active", "is not active"),
    "PENDING": ("is pending", "is not pending"),
    "PAYMENT_FAILED": ("has a failed payment", "has no failed payment"),
    "PAUSED": ("is paused", "is not paused"),
    "CANCELLED": ("is cancelled", "is not cancelled"),
    "EXPIRED": ("has expired", "has not expired"),
}
_INTERVAL = {
    value: (f"is billed by the {unit}", f"is not billed by the {unit}")
    for value, unit in {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}.items()
}
_ORDER_STATUS = {
    "pending": ("is pending", "is not pending"),
    "paid": ("is paid", "is not paid"),
    "failed": ("has failed", "has not failed"),
    "partially_refunded": ("is partly refunded", "is not partly refunded"),
    "refunded": ("is refunded", "is not refunded"),
    "disputed": ("is disputed", "is not disputed"),
}
_OF_CHOICES = {
    "recurring_payment.normalized_status": _STATUS,
    "recurring_payment.billing_interval": _INTERVAL,
    "order.status": _ORDER_STATUS,
}
# (yes, no)
_OF_YES_AND_NO = {
    "recurring_payment.is_trial": ("is in its trial", "is not in its trial"),
    "recurring_payment.cancel_at_period_end": ("ends with its paid period", "does not end with its paid period"),
    "recurring_payment.is_test": ("is in test mode", "is not in test mode"),
    "order.is_test": ("is in test mode", "is not in test mode"),
}
# With “…” where the value stands.
_OF_COMPARISON = {
    (TAG, "has"): "has the tag …",
    (TAG, "has_not"): "does not have the tag …",
    (LIST, "on_list"): "is on …",
    (LIST, "not_on_list"): "is not on …",
    (CUSTOMER, "is"): "is a customer of …",
    (CUSTOMER, "is_not"): "is not a customer of …",
    ("contact.source_deleted_at", "is_empty"): "is not deleted at the source",
    ("contact.source_deleted_at", "is_not_empty"): "is deleted at the source",
}
# What happened: «was created within the last 7 days».
_PAST = {
    "contact.created_at": "was created",
    "contact.updated_at": "was last changed",
    "contact.source_deleted_at": "was deleted at the source",
    "order.placed_at": "was placed",
    "order.paid_at": "was paid",
}
# What there is some of: (before, after) a comparison without its «is».
_COUNTED = {
    ORDER_COUNT: ("has", " paid orders"),
    RECURRING_PAYMENT_COUNT: ("has", " recurring payments"),
    PAID_TOTAL: ("has paid", " in all, after refunds"),
}


def phrase(asked: ConditionField, condition: Condition, comparison: str, value: str) -> str:
    """`comparison` with the value: «is before Nov 1, 2026». Empty where nothing better is known."""
    key, operator = asked.key, condition.operator
    if key in _OF_CHOICES and (ends := _OF_CHOICES[key].get(str(condition.value))):
        return ends[operator == "is_not"]
    if key in _OF_YES_AND_NO and operator in ("yes", "no"):
        return _OF_YES_AND_NO[key][operator == "no"]
    if (key, operator) in _OF_COMPARISON:
        return _OF_COMPARISON[key, operator].replace("…", value)
    if not comparison.startswith("is ") or operator in ("is_empty", "is_not_empty"):
        return ""
    if key in _PAST:
        return f"{_PAST[key]} {comparison.removeprefix('is ')}"
    if key in _COUNTED:
        return _counted(key, comparison, value)
    return ""


def _counted(key: str, comparison: str, value: str) -> str:
    before, after = _COUNTED[key]
    words = comparison.removeprefix("is ")
    if value == "1":
        after = after.removesuffix("s")
    return f"does not have {value}{after}" if words.startswith("not ") else f"{before} {words}{after}"
