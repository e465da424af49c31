"""Where the pages of this app stand in the frame."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest

from common import navigation, settings_menu
from contacts.models import Contact


def register() -> None:
    navigation.register("People", "Contacts", "contacts:list", "users", counter=_live_contacts, order=10)
    settings_menu.register("Custom fields", "contacts:fields", order=30, role="marketer")
    settings_menu.register("Tags", "contacts:tags", order=40, role="marketer")
    settings_menu.register("Lists", "contacts:lists", order=50, role="marketer")


def _live_contacts(request: HttpRequest) -> QuerySet[Contact]:
    return Contact.objects.live()
