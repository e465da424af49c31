"""What arrived goes soon, what failed and may be sent again stays for long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from automations import retention as runs_retention
from automations.destinations import retention
from automations.destinations.models import Delivery
from automations.models import Notice
from tests.automations.destinations import webhook
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def test_notices_go_by_age_those_that_failed_too(marketer: User) -> None:
    """One that failed was perhaps never handed over."""
    for state, days in (("done", 44), ("done", 46), ("dead", 46), ("dead", 401), ("due", 401)):
        moment = Now() - timedelta(days=days)
        handed = moment if state == "done" else None
        notice = Notice.objects.create(user=marketer, key=f"{state} {days}", state=state, handed_at=handed)
        Notice.objects.filter(pk=notice.pk).update(created_at=moment)
    assert runs_retention.clear_old() == 2
    assert set(Notice.objects.values_list("key", flat=True)) == {"done 44", "dead 46", "due 401"}
    assert runs_retention.clear_old() == 0


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
