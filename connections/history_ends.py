"""How imports wait for Stripe, and how they end."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from common.due import State
from connections import api, unanswered
from connections.history_windows import WALKING
from connections.models import Connection, Resource, SyncRun, SyncWindow
from connections.sources.base import SourceError

# Refusals that are no fault of one window: the whole account waits.
WAITS_FOR_THE_ACCOUNT = ("rate_limit", "rekeyed", "key_refused", "key_expired", "key_unreadable", "disconnected")
# Seconds until a page is asked for again while Stripe is away.
_AWAY = (5.0, 10.0, 20.0, 40.0, 60.0)
# Tries in a row of a page that Stripe leaves unanswered while it answers others, one a minute: about four hours.
ENOUGH = 240
# Stripe does not tell that somebody gave a key another right.
_ASKED_FOR_A_RIGHT = timedelta(minutes=10)


def close_if_moved(run: SyncRun) -> None:
    """End the run of an account that was disconnected meanwhile."""
    with transaction.atomic():
        # Held, because a new key gives the account and its open runs another epoch, which our copy of the run lacks.
        held = Connection.objects.select_for_update(no_key=True).filter(pk=run.resource.connection_id).first()
        moved = SyncRun.objects.filter(pk=run.pk, state__in=SyncRun.OPEN)
        if held and held.is_connected:
            moved = moved.exclude(epoch=held.epoch)
        moved.update(state=SyncRun.State.CANCELLED, finished_at=Now(), message="The account was disconnected.")


def note_running(run: SyncRun) -> None:
    SyncRun.objects.filter(pk=run.pk, state__in=(SyncRun.State.QUEUED, SyncRun.State.WAITING)).update(
        state=SyncRun.State.RUNNING, message=""
    )


def note_waiting(run: SyncRun, error: SourceError) -> None:
    SyncRun.objects.filter(pk=run.pk, state__in=WALKING).update(
        state=SyncRun.State.WAITING, message=_words(error)[:500]
    )


def note_granted(run: SyncRun) -> None:
    """A page came, so the key has the right that it lacked."""
    Resource.objects.filter(pk=run.resource_id).update(error="")
    run.resource.error = ""


def interrupted(window: SyncWindow, run: SyncRun, error: SourceError) -> bool:
    """Put the window back, or set it aside where trying again cannot help. Whether its run waits for Stripe."""
    api.note(run.resource.connection, error)
    error = judged(window, run, error)
    if put_off(window, error):
        return True
    if error.code == "permission":
        _hold(window, run, error)
        return True
    if window.failed(code=error.code, error=error.message, permanent=error.permanent) != State.DEAD:
        return True
    end_run_of(window)
    return False


def judged(window: SyncWindow, run: SyncRun, error: SourceError) -> SourceError:
    """The refusal of a window's page, final where Stripe answers everything but this."""
    if error.code in WAITS_FOR_THE_ACCOUNT:
        return error
    # Once it is away for everything, or refuses otherwise, those before count no longer.
    alone = error.code == "unavailable" and unanswered.answers_others(run.resource.connection)
    before, window.unanswered = window.unanswered, window.unanswered + 1 if alone else 0
    if before != window.unanswered:
        mine = SyncWindow.objects.filter(pk=window.pk, claim_no=window.claim_no)
        mine.update(unanswered=window.unanswered)
    return error if window.unanswered < ENOUGH else unanswered.final(f"a part of the list ({window})")


def put_off(window: SyncWindow, error: SourceError) -> bool:
    """Put the window back for a while if the refusal is none of its own, however often it comes. Was it that?"""
    if error.code in WAITS_FOR_THE_ACCOUNT:
        window.later(timedelta(seconds=error.retry_after or 2), code=error.code, error=error.message)
        return True
    if error.code != "unavailable":
        return False
    waits = min(error.retry_after or _AWAY[min(window.attempts, len(_AWAY) - 1)], _AWAY[-1])
    window.later(timedelta(seconds=waits), code=error.code, error=error.message)
    # Only so far that the next wait is longer: what is counted further is set aside in the end.
    further = min(window.attempts + 1, len(_AWAY) - 1)
    SyncWindow.objects.filter(pk=window.pk, claim_no=window.claim_no, attempts__lt=further).update(attempts=further)
    return True


def _hold(window: SyncWindow, run: SyncRun, error: SourceError) -> None:
    """Hold the run's windows until the key may read their list: no other resource waits for that."""
    # Unless it was cancelled meanwhile.
    Resource.objects.filter(runs__in=SyncRun.objects.filter(pk=run.pk, state__in=WALKING)).update(
        error=_words(error)[:500]
    )
    window.later(_ASKED_FOR_A_RIGHT, code=error.code, error=error.message)
    with transaction.atomic():
        others = SyncWindow.objects.filter(run=run, state=State.DUE).select_for_update(skip_locked=True)
        pks = list(others.values_list("pk", flat=True))
        SyncWindow.objects.filter(pk__in=pks).update(next_attempt_at=Now() + _ASKED_FOR_A_RIGHT)


def _words(error: SourceError) -> str:
    return f"{error.message} The import then goes on by itself." if error.code == "permission" else error.message


def end_forgotten_runs() -> None:
    """Conclude imports whose last window ended with a worker that died, or waited in vain, before it could do that.

    Those that an older Millrace left without windows, too: they would stop every later one.
    """
    left = SyncWindow.objects.filter(run=OuterRef("pk")).exclude(state__in=[State.DONE, State.DEAD])
    for run in SyncRun.objects.imports().filter(~Exists(left), state__in=WALKING):
        _end_run(run.pk)


def end_run_of(window: SyncWindow) -> None:
    """Conclude the run once no window is left to walk: never “done” with a failure unsaid."""
    # Whoever ends a window looks after its end has been committed, so the last of them sees none left.
    if not SyncWindow.objects.filter(run=window.run_id).exclude(state__in=[State.DONE, State.DEAD]).exists():
        _end_run(window.run_id)


def _end_run(run_id: int) -> None:
    with transaction.atomic():
        run = SyncRun.objects.select_for_update(no_key=True).get(pk=run_id)
        if not run.is_open:
            return
        dead = list(run.windows.filter(state=State.DEAD))
        if len(dead) == run.windows.count():
            run.state = SyncRun.State.FAILED
            run.message = dead[0].last_error if dead else "It stopped before it could begin. Import again."
        elif dead or run.failed or run.lost:
            run.state = SyncRun.State.PARTLY_FAILED
            run.message = dead[0].last_error if dead else _left_out(run)
        else:
            run.state = SyncRun.State.DONE
        run.finished_at = Now()
        run.save(update_fields=["state", "message", "finished_at"])


def _left_out(run: SyncRun) -> str:
    """What did not come in of all that was listed, in words."""
    failed = "1 record" if run.failed == 1 else f"{run.failed} records"
    told = [f"{failed} could not be applied; see the sync log."] if run.failed else []
    if run.lost:
        told.append(f"Of {run.listed} objects that Stripe listed, {run.lost} could not be taken in.")
    return " ".join(told)
