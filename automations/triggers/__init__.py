"""What an automation can begin with."""

from automations.declarations import register as declare
from automations.triggers import contacts, dates, events, orders, payments, recurring, started


def register() -> None:
    for module in (events, recurring, payments, orders, contacts, dates, started):
        declare(*module.TRIGGERS)
