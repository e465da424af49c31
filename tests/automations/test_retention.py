"""What arrived goes soon, what failed and may be sent again stays for long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from automations.destinations import retention
from automations.destinations.models import Delivery
from tests.automations.destinations import webhook

pytestmark = pytest.mark.django_db(transaction=True)


def test_deliveries_go_by_age(settings: Settings) -> None:
    settings.DEMO = True
    shop, _ = webhook("http://127.0.0.1:9/")
    for state, days in (("done", 44), ("done", 46), ("dead", 46), ("dead", 401), ("due", 401)):
        moment = Now() - timedelta(days=days)
        key = f"{state} {days}"
        Delivery.objects.create(destination=shop, kind="webhook", key=key, state=state, finished_at=moment)
    assert retention.clear_old() == 2
    assert set(Delivery.objects.values_list("key", flat=True)) == {"done 44", "dead 46", "due 401"}
    assert retention.clear_old() == 0
