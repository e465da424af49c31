"""How each resource is listed: path, filters, and the objects that come along in the same call."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from connections.sources.base import Json, SourceError
from connections.sources.stripe import shapes
from connections.sources.stripe.client import Answer, Client


@dataclass(frozen=True)
class Listing:
    """`permission`: what a restricted key needs to read this list. `expansions`: (path, permission each needs)."""

    path: str
    permission: str
    filters: dict[str, Any] = field(default_factory=dict)
    expansions: tuple[tuple[str, str], ...] = ()

    def asking(self, missing: Collection[str] = ()) -> dict[str, Any]:
        """Parameters for a key that lacks these permissions: what it may not read does not come along."""
        expand = [path for path, permission in self.expansions if permission not in missing]
        return self.filters | ({"expand": expand} if expand else {})

    def read(self, client: Client, missing: list[str], **params: Any) -> Answer:
        """A page of the list. What the key turns out not to read does not come along, and is added to `missing`."""
        optional = {permission for _, permission in self.expansions} - {self.permission}
        while True:
            # Several threads may read for one key.
            without = tuple(missing)
            try:
                return client.get(self.path, **params, **self.asking(without))
            except SourceError as error:
                refused = error.permission if error.permission in {*optional, "", self.permission} else _UNSURE
                if refused not in optional - set(without):
                    raise
                missing.append(refused)


# Stripe does not say which right these need, so a refusal that names none of the others counts for them.
_UNSURE = "rak_source_read"
_CUSTOMER = ("data.customer", "rak_customer_read")
LISTINGS: dict[str, Listing] = {
    "charge": Listing("/v1/charges", "rak_charge_read", expansions=(_CUSTOMER,)),
    "customer": Listing("/v1/customers", "rak_customer_read"),
    # Stripe leaves out canceled subscriptions unless asked for all.
    "subscription": Listing(
        "/v1/subscriptions",
        "rak_subscription_read",
        {"status": "all"},
        (
            _CUSTOMER,
            ("data.customer.invoice_settings.default_payment_method", "rak_payment_method_read"),
            ("data.default_payment_method", "rak_payment_method_read"),
            ("data.customer.default_source", _UNSURE),
            ("data.latest_invoice.payments", "rak_invoice_read"),
            ("data.discounts.source.coupon", "rak_coupon_read"),
            ("data.items.data.discounts", "rak_coupon_read"),
            ("data.schedule", _UNSURE),
        ),
    ),
    # The payments tie an invoice to the charges that paid it.
    "invoice": Listing(
        "/v1/invoices", "rak_invoice_read", expansions=(_CUSTOMER, ("data.payments", "rak_invoice_read"))
    ),
    # An open or expired session is nobody's purchase.
    "checkout_session": Listing(
        "/v1/checkout/sessions",
        "rak_checkout_session_read",
        {"status": "complete"},
        (_CUSTOMER, ("data.line_items", "rak_checkout_session_read")),
    ),
}
# What the product asks a restricted key for, in the order Stripe's page shows it.
PERMISSIONS = (
    "rak_customer_read",
    "rak_event_read",
    "rak_charge_read",
    "rak_subscription_read",
    "rak_invoice_read",
    "rak_checkout_session_read",
    "rak_payment_intent_read",
    "rak_payment_method_read",
    "rak_product_read",
    "rak_plan_read",
    "rak_coupon_read",
    "rak_dispute_read",
    "rak_webhook_write",
)


def key_link(name: str) -> str:
    """Stripe's page for a new restricted key, with our permissions filled in."""
    asked = "&".join(f"permissions[]={permission}" for permission in PERMISSIONS)
    return f"https://dashboard.stripe.com/apikeys/create?name={name}&{asked}"


def newest(client: Client, kind: str, count: int, missing: Collection[str] = ()) -> list[Json]:
    """The newest objects of a resource with their customers, and for subscriptions their products."""
    listing = LISTINGS[kind]
    rows = listing.read(client, list(missing), limit=count).data.get("data") or []
    return [row for row in rows if isinstance(row, dict)]


def products_of(client: Client, subscriptions: list[Json], known: set[str]) -> Iterator[Answer]:
    """Products behind the prices of subscriptions, fifty a call. Stripe refuses the depth in the list itself."""
    ids = {
        shapes.id_of(shapes.get(item, "price", "product"))
        for subscription in subscriptions
        for item in shapes.items(subscription)
    }
    wanted = sorted(ids - known - {""})
    for start in range(0, len(wanted), 50):
        yield client.get("/v1/products", limit=100, ids=wanted[start : start + 50])
