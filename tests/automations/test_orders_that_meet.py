"""Orders that turn out to be one, with automations already at work on either."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from automations.destinations.models import Delivery, Destination
from automations.models import Run
from campaigns import sending
from campaigns.models import Campaign, Mail
from contacts.models import Kind
from orders.models import Order
from orders.records import OrderRecord, upsert
from tests.automations.conftest import Make, happened, later, on, person, settled, step, worked
from tests.automations.test_destinations_webhook import receiver as receiver
from tests.automations.test_destinations_webhook import shop as shop
from tests.campaigns.conftest import mail_server as mail_server
from tests.campaigns.conftest import make_campaign as make_campaign
from tests.campaigns.smtp import MailServer
from tests.orders.conftest import order_record

pytestmark = pytest.mark.django_db(transaction=True)
WAIT = step("wait", 1, duration={"amount": 1, "unit": "hours"})
TIE = ("charge:ch_1", "invoice:in_1", "payment_intent:pi_1")


def told(record: OrderRecord) -> None:
    with transaction.atomic():
        upsert([record])


def test_a_run_follows_its_order_into_the_one_it_is_part_of(
    automation: Make, shop: Destination, make_campaign: Callable[..., Campaign]
) -> None:
    """A028: the invoice was open, its charge was paid, and only then something tells that they are one purchase."""
    begun = automation(on("order_paid"), [WAIT, step("add_tag", 2, tag="bought")])
    ann = person()
    told(order_record(1, external_id="in_1", contact=ann.pk, status="pending", paid_at=None))
    told(order_record(2, external_id="pi_1", references=TIE[::2], contact=ann.pk))
    settled()
    worked()
    run, gone = Run.objects.get(), Order.objects.get(external_id="pi_1")
    mail = sending.queue(make_campaign(), ann.pk, key="about the order", order_id=gone.pk)
    delivery = Delivery.objects.create(destination=shop, kind="webhook", key="about the order", order=gone)
    told(order_record(3, external_id="in_1", references=TIE, contact=ann.pk))
    kept = Order.objects.get()
    for row in (run, mail, delivery):
        row.refresh_from_db()
        assert row.order == kept
    settled()
    later(run, seconds=1)
    worked()
    run.refresh_from_db()
    assert (run.standing, begun.runs.count()) == ("completed", 1)
    assert ann.tags.filter(name="bought").exists()


def test_two_runs_about_what_turns_out_to_be_one_order_become_one(automation: Make) -> None:
    automation(on("order_paid"), [WAIT, step("add_tag", 2, tag="bought")])
    ann = person()
    told(order_record(1, external_id="in_1", contact=ann.pk))
    told(order_record(2, external_id="pi_1", references=TIE[::2], contact=ann.pk))
    settled()
    worked()
    told(order_record(3, external_id="in_1", references=TIE, contact=ann.pk))
    first, second = Run.objects.order_by("pk")
    assert (first.standing, second.standing) == ("waiting", "ended")
    assert first.order == second.order == Order.objects.get()


def test_two_runs_about_one_order_both_stay_when_it_meets_another(automation: Make) -> None:
    """One order told of two disputes; only what the other order told is the same told again."""
    automation(on("order_disputed"), [WAIT])
    ann = person()
    told(order_record(1, external_id="in_1", contact=ann.pk))
    told(order_record(2, external_id="pi_1", references=TIE[::2], contact=ann.pk))
    kept, gone = Order.objects.get(external_id="in_1"), Order.objects.get(external_id="pi_1")
    for order in (kept, kept, gone):
        happened(ann, Kind.ORDER_DISPUTED, order=order.pk)
    settled()
    worked()
    told(order_record(3, external_id="in_1", references=TIE, contact=ann.pk))
    assert [run.standing for run in Run.objects.order_by("pk")] == ["waiting", "waiting", "ended"]


def test_a_mail_in_hand_while_its_order_meets_another_is_sent_about_that(
    make_campaign: Callable[..., Campaign], mail_server: MailServer
) -> None:
    ann = person()
    told(order_record(1, external_id="in_1", contact=ann.pk))
    told(order_record(2, external_id="pi_1", references=TIE[::2], contact=ann.pk))
    about = make_campaign(subject="Order {{ order.total }}")
    gone = Order.objects.get(external_id="pi_1")
    sending.queue(about, ann.pk, key="about the order", order_id=gone.pk)
    in_hand = Mail.objects.claim(1)
    told(order_record(3, external_id="in_1", references=TIE, contact=ann.pk))
    sending._send(in_hand)
    assert not mail_server.received
    sending.drain()
    assert Mail.objects.get().outcome == Mail.Outcome.SENT
