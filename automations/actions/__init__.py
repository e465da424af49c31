"""What an automation can do within the house. What leaves it by itself stands in `automations.destinations`."""

from automations.actions import contact, flowing, mailing, others, waiting
from automations.declarations import register as declare


def register() -> None:
    for module in (mailing, contact, waiting, flowing, others):
        declare(*module.ACTIONS)
