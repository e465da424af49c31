"""Real things a trigger can be tried on: the newest of the timeline that it would have started on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from automations import wording
from automations.declarations import Json, Sample
from common import fields as catalogue
from common.formats import money_text
from contacts.models import Activity
from orders.models import Order
from recurring_payments import activities as recurring_payments
from recurring_payments.display import display
from recurring_payments.fields import BY_KEY
from recurring_payments.models import RecurringPayment

# So far back samples are looked for; older ones would cost a walk through the whole timeline.
LOOKED_AT = 5000
SHOWN = 5
_PAYMENT_FIELDS = ("name", "normalized_status", "payment_amount", "next_payment_date", "last_payment_status")


def of_kinds(
    kinds: tuple[str, ...], matches: Callable[[Activity, Json], bool], among: Callable[..., set[int]] | None = None
) -> Callable[[Json], list[Sample]]:
    """Samples of a trigger that listens to these kinds."""

    def samples(parameters: Json) -> list[Sample]:
        newest = Activity.objects.order_by("-pk").values("pk")[:LOOKED_AT]
        found = Activity.objects.filter(pk__in=newest, kind__in=kinds).select_related("contact").order_by("-pk")
        fitting = [one for one in found[:500] if matches(one, parameters)]
        if among and fitting:
            kept = among(fitting, parameters)
            fitting = [one for one in fitting if one.pk in kept]
        return [of_activity(one) for one in fitting[:SHOWN]]

    return samples


def of_activity(activity: Activity) -> Sample:
    payment = _row(RecurringPayment, activity.data.get("recurring_payment"))
    order = _row(Order, activity.data.get("order"))
    shown = [*_of_contact(activity), *_of_event(activity), *_of_payment(payment), *_of_order(order)]
    return Sample(
        title=activity.summary,
        occurred_at=activity.occurred_at,
        contact_id=activity.contact_id,
        fields=tuple(shown),
        activity_id=activity.pk,
        recurring_payment_id=payment.pk if payment else None,
    )


def of_payment(payment: RecurringPayment, moment: Any) -> Sample:
    title = str(payment)
    return Sample(title, moment, payment.contact_id, tuple(_of_payment(payment)), recurring_payment_id=payment.pk)


def _row(model: Any, pk: Any) -> Any:
    return model.objects.filter(pk=pk).first() if isinstance(pk, int) else None


def _of_contact(activity: Activity) -> Iterator[tuple[str, str]]:
    if contact := activity.contact:
        yield "Contact", str(contact)
        yield "Email address", contact.email


def _of_event(activity: Activity) -> Iterator[tuple[str, str]]:
    named = {"event_type": "Event", "object": "Object at Stripe", "status": "Status", "tag": "Tag", "list": "List"}
    for key, label in named.items():
        if value := activity.data.get(key):
            yield label, str(value)
    if activity.kind.startswith("recurring_payment."):
        for told in recurring_payments.changes(activity):
            yield told.label, f"{told.old or 'empty'} → {told.new or 'empty'}"
        return
    labels = catalogue.catalogue("contact") if activity.changes else {}
    for change in activity.changes:
        field = labels.get(change["field"])
        old, new = (_text(change[side], wording.choices_of("contact", change["field"])) for side in ("old", "new"))
        yield field.label if field else change["field"], f"{old} → {new}"


def _of_payment(payment: RecurringPayment | None) -> Iterator[tuple[str, str]]:
    if payment:
        for key in _PAYMENT_FIELDS:
            yield BY_KEY[key].label, display(BY_KEY[key], payment)


def _of_order(order: Order | None) -> Iterator[tuple[str, str]]:
    if order:
        yield "Order", str(order)
        yield "Total", money_text(order.total, order.currency)
        yield "Order status", order.get_status_display()


def _text(value: Any, labels: dict[str, str]) -> str:
    return "empty" if value in (None, "", []) else labels.get(str(value), str(value))
