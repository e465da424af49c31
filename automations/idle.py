"""What of automations `bin/manage work` does, and waits for."""

from __future__ import annotations

from django.db.models import Q
from django.db.models.functions import Now

from automations import awaiting, dating, dispatch, engine, mail_news, notices
from automations.models import DateWatch, Notice, Run
from campaigns import delivery
from campaigns.models import Mail
from common.due import State
from connections import idle

_NOW = Q(state=State.RUNNING) | Q(state=State.DUE, next_attempt_at__lte=Now())


def register() -> None:
    idle.register("activities to dispatch", dispatch.drain, _undispatched)
    idle.register("contacts that were awaited", awaiting.drain, lambda: awaiting.known().count())
    idle.register("dated triggers", dating.drain, lambda: DateWatch.objects.filter(_NOW).count())
    idle.register("steps of automations", engine.drain, lambda: Run.objects.filter(_NOW).count())
    idle.register("outcomes of mails", mail_news.drain, lambda: Mail.untold().count())
    idle.register("notices to colleagues", notices.drain, _notices)


def _notices() -> int:
    """Without a way to send any, they wait for somebody to set one up; idle is idle all the same."""
    return Notice.objects.filter(_NOW).count() if delivery.is_configured() else 0


def _undispatched() -> int:
    """Orders included that are given a few seconds to settle."""
    return dispatch.ready().count() + dispatch.settling().count()
