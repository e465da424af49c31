"""What sign-in does differently here."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from users.models import User


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Accounts are made by invitation only."""
        return False


def display_name(user: User) -> str:
    return str(user)
