"""What the demo shows of automations, segments, campaigns and mail: made as people make them, fed by the sandbox."""

from __future__ import annotations

import time
from typing import Any

from django.db import transaction

from automations import lifecycle, recipes
from automations.models import Automation
from campaigns.forms import CampaignForm
from campaigns.models import Campaign
from recurring_payments.models import RecurringPayment
from sandbox.stripe.client import SandboxAccount
from segments import conditions
from segments.models import Segment
from users.models import Role, User

AUTOMATION = "Tell the warehouse and Customer.io of payments"
YEARLY, FAILING = "Active yearly customers", "Payment failed now"
ACTIVE = ("payment_failed", "first_payment_thanks")
PATIENCE = 240.0
_HTML = """\
<p>Hello {{ contact.first_name | default: "there" }},</p>
<p>you have been paying by the year, and that keeps our studio calm. Thank you!</p>
<p>In January we open the new course library. You get in a week before everybody else.</p>
<p><a href="https://northwind-studio.example/library">Have a look</a></p>
<p><small>{{ workspace.name }} · <a href="{{ unsubscribe_url }}">Unsubscribe</a></small></p>
"""
_CAMPAIGN = {
    "name": "Early access for yearly customers",
    "kind": Campaign.Kind.DIRECT.value,
    "subject": "{{ contact.first_name | default: 'Hello' }}, the library opens a week early for you",
    "preheader": "A thank-you to everybody who pays by the year",
    "html": _HTML,
    "tracks_opens": "on",
    "tracks_clicks": "on",
}


def is_untouched() -> bool:
    """Whether nobody made anything of this yet, the demo itself included."""
    others = Automation.objects.exclude(name=AUTOMATION).exists()
    return not (others or Segment.objects.exists() or Campaign.objects.exists())


def wait_for(subscriptions: list[str], patience: float = PATIENCE) -> bool:
    """Until the workers brought them: triggers of recurring payments can be used once there is one. False: too late."""
    ends = time.monotonic() + patience
    synced = RecurringPayment.objects.filter(store_recurring_payment_id__in=subscriptions, contact__isnull=False)
    while synced.count() < len(subscriptions):
        if time.monotonic() > ends:
            return False
        time.sleep(0.5)
    return True


@transaction.atomic
def make() -> None:
    """Two segments, the draft of a campaign, two recipes at work and one as a draft."""
    by = User.objects.active().filter(role=Role.MARKETER).first()
    yearly = _segment(YEARLY, by, ("normalized_status", "ACTIVE"), ("billing_interval", "YEARLY"))
    _segment(FAILING, by, ("normalized_status", "PAYMENT_FAILED"))
    form = CampaignForm(_CAMPAIGN, instance=Campaign(created_by=by))
    if not form.is_valid():
        raise ValueError(form.errors.as_text())
    form.save().segments.add(yearly)
    for key in (*ACTIVE, "renewal_reminder"):
        chosen = recipes.recipe(key)
        assert chosen  # noqa: S101  named above
        made = recipes.make(chosen, by)
        if key in ACTIVE:
            lifecycle.activate(made.pk, by)


def _segment(name: str, by: User | None, *asked: tuple[str, str]) -> Segment:
    """Contacts with a recurring payment that is all of this."""
    rows = [{"field": f"recurring_payment.{field}", "operator": "is", "value": value} for field, value in asked]
    about: dict[str, Any] = {"about": "recurring_payment", "quantifier": "any", "match": "all", "conditions": rows}
    tree = conditions.as_json(conditions.parse({"match": "all", "items": [about]}))
    return Segment.objects.create(name=name, conditions=tree, created_by=by)


def newcomers(account: SandboxAccount) -> list[str]:
    """Two people subscribe. Returns their subscriptions."""
    plans = (("Studio plan", 2900, "month"), ("Team plan", 7900, "month"))
    return [
        str(account.subscribe(product=product, amount=amount, currency="eur", interval=interval)["id"])
        for product, amount, interval in plans
    ]


def news(account: SandboxAccount, subscriptions: list[str]) -> None:
    """What the automations answer to: their next payments fail, and somebody buys for the first time."""
    for subscription in subscriptions:
        account.fail_payment(subscription)
    account.buy(email="nora.lindqvist@brightside.example", name="Nora Lindqvist", amount=14900, currency="eur")
