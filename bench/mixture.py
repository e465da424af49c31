"""Recurring payments and orders of a business of some years, as SQL by column for `crowd.customers`: most are of one
account and one currency, a few are in trial, past due or of test mode, what ended has no next payment.

Every value follows from `n`, so two runs make the same rows.
"""

from __future__ import annotations

_STATUS = "normalized_status"
_PRICES = "(array[900, 1900, 2900, 4900, 9900, 19900, 49900])[1 + {}]"


def _share(seed: int, of: int = 1000) -> str:
    """0 to `of` - 1, evenly and without regard to the other seeds."""
    return f"(abs(hashint8extended(n::bigint, {seed})) % {of})"


def _by_share(seed: int, rest: str, *parts: tuple[str, int]) -> str:
    """One of the expressions, each for so many of a thousand rows; `rest` for all others."""
    whens, sum_so_far = [], 0
    for expression, thousandths in parts:
        sum_so_far += thousandths
        whens.append(f"when {_share(seed)} < {sum_so_far} then {expression}")
    return f"case {' '.join(whens)} else {rest} end"


_PAYMENT_STATUS = _by_share(
    1,
    "'ACTIVE'",
    ("'CANCELLED'", 260),
    ("'EXPIRED'", 40),
    ("'PAYMENT_FAILED'", 40),
    ("'PAUSED'", 20),
    ("'PENDING'", 20),
)
_IS_TRIAL = f"({_PAYMENT_STATUS} = 'ACTIVE' and {_share(2)} < 60)"
_INTERVAL = _by_share(4, "'MONTHLY'", ("'YEARLY'", 230), ("'WEEKLY'", 40), ("'DAILY'", 10))
_NOW = "statement_timestamp()"
# Evenly over the interval, to the second.
_DUE = f"""case {_INTERVAL} when 'YEARLY' then {_share(10, 365 * 86400)} when 'WEEKLY' then {_share(10, 7 * 86400)}
    when 'DAILY' then {_share(10, 86400)} else {_share(10, 30 * 86400)} end * interval '1 second'"""
_CURRENCY = _by_share(5, "'EUR'", ("'USD'", 330), ("'GBP'", 80), ("'CHF'", 30), ("'JPY'", 10))
_SOURCE = _by_share(6, "'stripe'", ("'paypal'", 15))
_ACCOUNT = f"""case when {_SOURCE} = 'paypal' then 'merchant' else
    {_by_share(7, "'acct_crowd'", ("'acct_second'", 90), ("'acct_third'", 10))} end"""
_IS_TEST = f"({_share(8)} < 15)"
# Forty products, the first ones the most bought.
_PRODUCT = f"'Plan ' || ({_share(9)} * {_share(9)} / 25000)"
_TOTAL = _PRICES.format(_share(12, 7))

ACCOUNTS = {"source": _SOURCE, "account": _ACCOUNT, "is_test": _IS_TEST, "currency": _CURRENCY}
PAYMENT = ACCOUNTS | {
    _STATUS: _PAYMENT_STATUS,
    "store_status": f"""case {_PAYMENT_STATUS}
        when 'ACTIVE' then case when {_IS_TRIAL} then 'trialing' else 'active' end
        when 'CANCELLED' then 'canceled' when 'EXPIRED' then 'incomplete_expired' when 'PAUSED' then 'paused'
        when 'PENDING' then 'incomplete' else case when {_share(3)} < 700 then 'past_due' else 'unpaid' end end""",
    "is_trial": _IS_TRIAL,
    "cancel_at_period_end": f"({_PAYMENT_STATUS} = 'ACTIVE' and {_share(3)} < 40)",
    "billing_interval": _INTERVAL,
    "next_payment_date": f"""case {_PAYMENT_STATUS} when 'ACTIVE' then {_NOW} + {_DUE} when 'PENDING' then {_NOW}
        when 'PAYMENT_FAILED' then {_NOW} + ({_share(10, 14)} - 10) * interval '1 day' end""",
    "start_date": f"{_NOW} - n * interval '600 seconds'",
    "payment_amount": f"case when {_share(11)} >= 20 then {_TOTAL} end",
    "name": f"{_PRODUCT} || case when {_share(13)} < 200 then ', Extra seats' else '' end",
}
ORDER = ACCOUNTS | {
    "status": _by_share(
        1,
        "'paid'",
        ("'refunded'", 40),
        ("'failed'", 40),
        ("'partially_refunded'", 20),
        ("'pending'", 20),
        ("'cancelled'", 15),
        ("'disputed'", 5),
    ),
    "total": _TOTAL,
    "placed_at": f"{_NOW} - n * interval '630 seconds'",
}
MADE = {"payment": PAYMENT, "order": ORDER, "item": {"name": _PRODUCT}}
