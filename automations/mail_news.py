"""What became of the mails that steps asked for, written into the logs of their runs.

Campaigns do not know of automations: a mail says who asked for it, keeps its news, and we pull them.
"""

from __future__ import annotations

import re
import time

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from automations.models import Run, RunStep
from campaigns.models import Mail, MailEvent
from common import rows

BATCH = 500
DRAIN_SECONDS = 20
Result, Outcome = RunStep.Result, Mail.Outcome
_ASKED = re.compile(r"run:(\d{1,18}):(.{1,20})")
_STATUS = re.compile(r"\b[45]\d\d\b")
_UNKNOWN = "nobody knows whether it arrived, so it is not sent again by itself. Resend it if it should be."
_SILENT = {
    "unsubscribed": "the contact has unsubscribed",
    "bounced": "mails to this address came back",
    "complained": "the contact marked a mail as spam",
}


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Pull news until there are none or the time is up. Returns how many mails had some."""
    ends, told = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        count = _batch()
        told += count
        if count < BATCH:
            break
    return told


@transaction.atomic
def _batch() -> int:
    """The lines and the mark that they are written, together. Other workers skip what this one has."""
    waiting = Mail.untold().select_related("campaign").order_by("pk")
    mails = list(waiting.select_for_update(of=("self",), skip_locked=True, no_key=True)[:BATCH])
    if not mails:
        return 0
    asked = {mail.pk: found for mail in mails if (found := _ASKED.fullmatch(mail.asked_by))}
    runs = set(Run.objects.filter(pk__in={int(found[1]) for found in asked.values()}).values_list("pk", flat=True))
    bounces = _bounces([mail.pk for mail in mails if mail.bounced_at])
    rows.insert(
        [
            _line(mail, int(found[1]), found[2], bounces.get(mail.pk, ""))
            for mail in mails
            if (found := asked.get(mail.pk)) and int(found[1]) in runs
        ]
    )
    Mail.objects.filter(pk__in=[mail.pk for mail in mails]).update(told_at=Now())
    return len(mails)


def _bounces(mails: list[int]) -> dict[int, str]:
    """Mail -> what was told of its first bounce."""
    events = MailEvent.objects.filter(mail__in=mails, kind=MailEvent.Kind.BOUNCED).order_by("-pk")
    return dict(events.values_list("mail", "detail")) if mails else {}


def _line(mail: Mail, run: int, step: str, bounce: str) -> RunStep:
    result, message, status = _told(mail, bounce)
    name = f"Mail “{mail.campaign}”"
    now = timezone.now()
    return RunStep(
        run_id=run,
        step=step,
        action="send_mail",
        result=result,
        message=f"{name}{message}"[:500],
        status=status,
        mail=mail,
        started_at=now,
        finished_at=now,
    )


def _told(mail: Mail, bounce: str) -> tuple[RunStep.Result, str, int | None]:
    if mail.bounced_at and mail.outcome in (Outcome.SENT, Outcome.UNKNOWN):
        return Result.FAILED, f" came back from {mail.to}. {bounce}".rstrip(), _status(bounce)
    match mail.outcome:
        case Outcome.SENT:
            return Result.NOTE, f" sent to {mail.to}.", None
        case Outcome.FAILED:
            return Result.FAILED, f" failed: {mail.last_error}", _status(mail.last_error_code)
        case Outcome.UNKNOWN:
            return Result.FAILED, f": {_UNKNOWN} {mail.last_error}".rstrip(), _status(mail.last_error_code)
        case Outcome.SUPPRESSED:
            reason = _SILENT.get(mail.last_error_code, "the contact wants no mails")
            return Result.SKIPPED, f" was not sent: {reason}.", None
        case Outcome.TEST:
            return Result.NOTE, " was made and kept. Test contacts get no mails.", None
    return Result.SKIPPED, f" was not sent: {Outcome(mail.outcome).label.lower()}.", None


def _status(text: str) -> int | None:
    """The SMTP or HTTP status in what a server answered."""
    found = _STATUS.search(text)
    return int(found[0]) if found else None
