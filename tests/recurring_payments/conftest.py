"""Somebody who pays, and how pages are read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from contacts.models import Contact


@pytest.fixture
def ana(db: None) -> Contact:
    return Contact.objects.create(
        email="ana@example.com", email_key="ana@example.com", first_name="Ana María", last_name="López García"
    )


def text(client: Client, url: str, **options: Any) -> str:
    response = client.get(url, **options)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())
