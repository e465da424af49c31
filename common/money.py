"""Amounts as payment providers speak them: integers in the smallest unit of a currency."""

from __future__ import annotations

from decimal import Decimal

# Source: Stripe, "Supported currencies". CLDR differs: Stripe treats ISK and UGX as having two decimals.
ZERO_DECIMAL = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
THREE_DECIMAL = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


def digits(currency: str) -> int:
    """Decimals of the currency at Stripe: 0, 2 or 3. Unknown currencies have 2."""
    code = currency.upper()
    return 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2


def to_major(minor: int, currency: str) -> Decimal:
    """1999, "usd" -> Decimal("19.99"); 500, "jpy" -> Decimal("500")."""
    return Decimal(minor).scaleb(-digits(currency))


def to_minor(amount: Decimal, currency: str) -> int:
    """Amount in the currency's smallest unit: USD cents, JPY yen. ValueError if it does not divide."""
    scaled = amount.scaleb(digits(currency))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} {currency} is finer than the currency's smallest unit.")
    return int(scaled)


def as_text(minor: int, currency: str) -> str:
    """Decimal string in the major unit with all of its digits: "19.90"."""
    return f"{to_major(minor, currency):f}"
