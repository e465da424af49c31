"""The people of the demo, one for each role."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from users.models import User


class Command(BaseCommand):
    help = (
        'Makes the users named on standard input as JSON, {"address": {"name", "role", "password"}}, where they are '
        "missing. Only in the demo (DEMO=1)."
    )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("Only in the demo.")
        for email, person in json.load(sys.stdin).items():
            if not User.objects.filter(email__iexact=email).exists():
                User.objects.create_user(email, **person)
