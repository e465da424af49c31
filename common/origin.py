"""How a fact came to us."""

from django.db import models


class Origin(models.TextChoices):
    """`via` of log rows and activities, in the words of the exports."""

    WEBHOOK = "webhook", "Webhook"
    POLL = "poll", "Poll"
    HISTORY = "history", "History"
    REPLAY = "replay", "Replay"
    USER = "user", "User"
    API = "api", "API"
    AUTOMATION = "automation", "Automation"
