"""The way in when nobody can sign in: an invitation link for an admin."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from users.accounts import invite
from users.models import Role, User


class Command(BaseCommand):
    help = (
        "Prints a one-time link that makes an admin account, or sets a new password where the address has an account. "
        "Earlier links for the address stop working."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", nargs="?", default="")
        parser.add_argument("--first", action="store_true", help="only while there is no user; needs no address")

    def handle(self, *args: Any, email: str, first: bool, **options: Any) -> None:
        if first and User.objects.exists():
            return
        if not first:
            try:
                validate_email(email)
            except ValidationError:
                raise CommandError("Name the email address of the admin: create_admin ada@example.com") from None
        path = invite(None, email, Role.ADMIN)
        self.stdout.write(f"Create the {'first ' if first else ''}admin here (works once, for 7 days):")
        self.stdout.write(f"  {settings.SITE_URL}{path}")
