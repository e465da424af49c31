"""What a key opens: the account, its mode, and which lists it may read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connections.sources.base import Json, SourceError
from connections.sources.stripe import client as api
from connections.sources.stripe import shapes
from connections.sources.stripe.client import Client
from connections.sources.stripe.listing import LISTINGS, Listing

_REQUIRED = (("/v1/customers", "rak_customer_read"), ("/v1/events", "rak_event_read"))


@dataclass(frozen=True)
class Account:
    """`missing`: permissions a restricted key lacks, each of which disables the resource it reads."""

    id: str
    is_test: bool
    name: str
    email: str
    country: str
    created_at: datetime | None
    missing: tuple[str, ...]


def behind(key: str) -> Account:
    """The account a key belongs to, after trying what we need. SourceError, permanent, with the reason in words."""
    kind = _kind(key)
    client = Client(key)
    facts = _facts(client, key, may_be_hidden=kind == "rk")
    is_test = "_test_" in key
    if not is_test and facts.get("charges_enabled") is False:
        raise SourceError(
            "This Stripe account is not activated yet. Finish its activation at"
            " dashboard.stripe.com/account/onboarding, then connect it.",
            permanent=True,
            code="not_activated",
        )
    missing = _missing(client) if kind == "rk" else ()
    return Account(
        id=shapes.text(facts.get("id")),
        is_test=is_test,
        name=_label(facts, key),
        email=shapes.text(facts.get("email")),
        country=shapes.text(facts.get("country"))[:2],
        created_at=shapes.moment(facts.get("created")),
        missing=missing,
    )


def _kind(key: str) -> str:
    """ "sk" or "rk". SourceError for keys that can never work."""
    if key.startswith("pk_"):
        raise SourceError(
            "This is a publishable key (pk_…). Millrace needs the secret key (sk_…) or a restricted key (rk_…).",
            permanent=True,
            code="publishable",
        )
    if key.startswith("sk_org_"):
        raise SourceError(
            "This is an organisation key (sk_org_…), which belongs to several accounts. Use a key of one account.",
            permanent=True,
            code="organisation",
        )
    if key.startswith("whsec_"):
        raise SourceError(
            "This is a webhook signing secret (whsec_…). Millrace needs the secret key (sk_…) or a restricted key"
            " (rk_…).",
            permanent=True,
            code="not_a_key",
        )
    prefix = key[:3]
    if prefix not in ("sk_", "rk_") and not key.startswith("rkcs_"):
        raise SourceError(
            "This does not look like a Stripe key. A secret key begins with sk_live_ or sk_test_, a restricted one"
            " with rk_live_ or rk_test_.",
            permanent=True,
            code="not_a_key",
        )
    return "sk" if prefix == "sk_" else "rk"


def _facts(client: Client, key: str, *, may_be_hidden: bool) -> Json:
    try:
        return client.get("/v1/account").data
    except SourceError as error:
        account = api.named_account(error)
        # A restricted key may not read its own account, but the refusal names it.
        if may_be_hidden and error.code == "permission" and account:
            return {"id": account}
        raise


def _missing(client: Client) -> tuple[str, ...]:
    for path, permission in _REQUIRED:
        if lacking := _lacks(client, path):
            raise SourceError(
                f"The key lacks the permission {lacking or permission}, without which nothing can be synced."
                " Add it to the restricted key in Stripe, then connect again.",
                permanent=True,
                code="permission",
                permission=lacking or permission,
            )
    wanting: set[str] = set()
    for kind, listing in LISTINGS.items():
        if kind != "customer":
            _try_listing(client, listing, wanting)
    return tuple(sorted(wanting))


def _try_listing(client: Client, listing: Listing, lacking: set[str]) -> None:
    """Add what the key lacks to read this list, and what comes along with it."""
    while permission := _lacks(client, listing.path, **listing.asking(lacking)):
        if permission in lacking:
            return
        lacking.add(permission)
        if permission == listing.permission:
            return


def _lacks(client: Client, path: str, **params: Any) -> str:
    """The permission missing to read a list, or ""."""
    try:
        client.get(path, limit=1, **params)
    except SourceError as error:
        if error.code != "permission":
            raise
        return error.permission or path
    return ""


def _label(facts: Json, key: str) -> str:
    return (
        shapes.text(shapes.get(facts, "settings", "dashboard", "display_name"))
        or shapes.text(shapes.get(facts, "business_profile", "name"))
        or shapes.text(facts.get("email"))
        or f"Stripe account of the key …{key[-4:]}"
    )[:200]
