"""Where the pages of this app stand in the frame."""

from __future__ import annotations

from campaigns import mailbox
from common import navigation, settings_menu


def register() -> None:
    navigation.register("Connect", "Campaigns", "campaigns:list", "mail", order=10)
    if mailbox.is_used():
        navigation.register("Connect", "Mailbox", "campaigns:mailbox", "inbox", order=60)
    settings_menu.register("Email delivery", "campaigns:delivery", order=70, role="admin")
