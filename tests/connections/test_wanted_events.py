"""An endpoint from before an upgrade learns of the events that a newer version listens to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db.models.functions import Now

from connections import api, checks
from connections.models import Connection, ConnectionStatus, Resource
from sandbox.stripe import SandboxAccount

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_hourly_check_brings_new_supporting_events_to_the_endpoint(
    account: SandboxAccount, live_hook: None, connect: Callable[..., Resource]
) -> None:
    connect("charge")
    connection = Connection.objects.get()
    older = [type_ for type_ in connection.endpoint_events if not type_.startswith("refund.")]
    assert len(older) == len(connection.endpoint_events) - 3
    api.client_of(connection).post(f"/v1/webhook_endpoints/{connection.endpoint_id}", enabled_events=older)
    Connection.objects.update(endpoint_events=older)
    ConnectionStatus.objects.update(next_check_at=Now(), mended_at=None)
    assert checks.drain() == 1
    [endpoint] = account.objects("webhook_endpoint")
    assert endpoint["id"] == connection.endpoint_id
    assert {"refund.created", "refund.updated", "refund.failed"} < set(endpoint["enabled_events"])
    # Nobody had done anything to it.
    assert ConnectionStatus.objects.get().mended_at is None
