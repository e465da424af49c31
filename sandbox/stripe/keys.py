"""API keys: secret, restricted to chosen permissions, publishable, expired. All made up and worthless."""

from dataclasses import dataclass

from . import errors
from .ids import scramble

PREFIXES = {"secret": "sk", "restricted": "rk", "publishable": "pk"}

RESOURCES = (
    "customer",
    "charge",
    "subscription",
    "invoice",
    "checkout_session",
    "payment_intent",
    "product",
    "plan",
    "payment_method",
    "dispute",
    "coupon",
    "source",
)
EVERYTHING = frozenset(
    [f"rak_{name}_{level}" for name in RESOURCES for level in ("read", "write")]
    + ["rak_event_read", "rak_webhook_read", "rak_webhook_write", "rak_connected_account_read"]
)


@dataclass
class Key:
    """One API key of an account in one mode. `permissions` count for restricted keys only."""

    secret: str
    livemode: bool
    kind: str
    label: str = ""
    permissions: frozenset[str] = frozenset()
    expired: bool = False

    def require(self, permission: str, account_id: str) -> None:
        """Raise Stripe's 403 unless this key may do what `permission` (rak_…) names. Write implies read."""
        if self.kind == "publishable":
            raise errors.publishable_key()
        if self.kind == "secret" or permission in self.permissions:
            return
        if permission.endswith("_read") and permission[:-4] + "write" in self.permissions:
            return
        raise errors.missing_permission(self.secret, account_id, permission)


def make_secret(kind: str, livemode: bool, account_name: str, label: str) -> str:
    """A key such as sk_live_millraceSandboxNorthwindStudio…: plainly not a real one."""
    mode = "live" if livemode else "test"
    words = "".join(part.capitalize() for part in account_name.split())
    return f"{PREFIXES[kind]}_{mode}_millraceSandbox{words}{scramble(f'{kind}{mode}{account_name}{label}', 12)}"
