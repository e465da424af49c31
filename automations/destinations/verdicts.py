"""What an answer means: delivered, tried again by schedule, held until somebody acts, or given up."""

from __future__ import annotations

import random
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from automations import runs
from automations.destinations import hosts
from automations.destinations.http import Answer
from automations.destinations.models import SCHEDULE, Delivery, DeliveryAttempt, Destination
from common.due import State

UNAUTHORIZED, GONE, TOO_MANY = (401, 403), 410, 429
# Asked to wait without saying how long.
SOME_TIME = 10.0
_GONE = "The receiver answered 410 Gone: it wants nothing more. Enable it again when that was a mistake."
_REFUSED = "Customer.io refuses the credentials. What is to be sent waits until they are replaced."


def write(delivery: Delivery, answer: Answer) -> None:
    """End the claim by what was answered. Nothing happens if the claim has passed to another worker."""
    destination = delivery.destination
    _judge_host(destination, answer)
    if answer.is_fine:
        _done(delivery, answer)
    elif not destination.is_webhook and answer.status in UNAUTHORIZED:
        hold(delivery, _REFUSED, answer)
    elif not destination.is_webhook and answer.status == TOO_MANY:
        _slow_down(delivery, answer)
    elif destination.is_webhook and answer.status == GONE:
        _disable(delivery, answer)
    elif answer.refused or _is_final(destination, answer):
        _give_up(delivery, answer)
    else:
        _again(delivery, answer)


def hold(delivery: Delivery, reason: str, answer: Answer | None = None) -> None:
    """Nothing leaves for this destination until its credentials are replaced; what waits stays due."""
    destination = delivery.destination
    with transaction.atomic():
        if not delivery.settle(state=State.DUE, last_error_code="held", last_error=reason):
            return
        _note_try(delivery, answer or Answer(None, message=reason))
        # Meanwhile somebody may have replaced them.
        same = Destination.objects.filter(
            pk=destination.pk,
            state=Destination.State.ACTIVE,
            api_key_sealed=destination.api_key_sealed,
            secret_sealed=destination.secret_sealed,
        )
        same.update(state=Destination.State.HELD, error=reason)


def gave_up(delivery: Delivery) -> None:
    """Its run says so. For a delivery that is dead already."""
    Delivery.objects.filter(pk=delivery.pk).update(finished_at=Now())
    _tell_run(delivery, f"{_what(delivery)} failed: {delivery.last_error}", failed=True)


def _judge_host(destination: Destination, answer: Answer) -> None:
    if answer.refused or answer.ours:
        return
    if answer.status is None or answer.status >= 500:
        hosts.ill(destination.host_id)
    else:
        hosts.well(destination.host_id)


def _is_final(destination: Destination, answer: Answer) -> bool:
    """Customer.io understood and said no. A webhook's receiver may be mended meanwhile."""
    return not destination.is_webhook and answer.status is not None and 400 <= answer.status < 500


@transaction.atomic
def _done(delivery: Delivery, answer: Answer) -> None:
    ended = {"state": State.DONE, "finished_at": Now(), "last_error": "", "last_error_code": ""}
    if delivery.settle(**ended, attempts=delivery.attempts + 1, status=answer.status, body=delivery.body):
        _note_try(delivery, answer)
        _tell_run(delivery, f"{_what(delivery)} delivered to {delivery.destination}.", failed=False, answer=answer)


@transaction.atomic
def _slow_down(delivery: Delivery, answer: Answer) -> None:
    """Asked to slow down: nobody's failure, so no attempt is counted, and the whole host rests."""
    seconds = answer.retry_after or SOME_TIME
    values = {"last_error_code": str(answer.status), "last_error": answer.message, "status": answer.status}
    if delivery.settle(state=State.DUE, next_attempt_at=Now() + timedelta(seconds=seconds), **values):
        hosts.rest(delivery.destination.host_id, timedelta(seconds=seconds))
        _note_try(delivery, answer)


@transaction.atomic
def _again(delivery: Delivery, answer: Answer) -> None:
    if delivery.attempts >= len(SCHEDULE):
        _give_up(delivery, answer)
        return
    wait = max(_spread(SCHEDULE[delivery.attempts]), answer.retry_after or 0.0)
    later = Now() + timedelta(seconds=wait)
    if delivery.settle(state=State.DUE, next_attempt_at=later, **_failure(delivery, answer)):
        _note_try(delivery, answer)


@transaction.atomic
def _give_up(delivery: Delivery, answer: Answer) -> None:
    if delivery.settle(state=State.DEAD, finished_at=Now(), **_failure(delivery, answer)):
        _note_try(delivery, answer)
        _tell_run(delivery, f"{_what(delivery)} failed: {answer.message}", failed=True, answer=answer)


@transaction.atomic
def _disable(delivery: Delivery, answer: Answer) -> None:
    _give_up(delivery, answer)
    active = Destination.objects.filter(pk=delivery.destination_id, state=Destination.State.ACTIVE)
    active.update(state=Destination.State.DISABLED, error=_GONE)


def _failure(delivery: Delivery, answer: Answer) -> dict[str, object]:
    return {
        "attempts": delivery.attempts + 1,
        "last_error_code": str(answer.status or ("refused" if answer.refused else "no_answer")),
        "last_error": answer.message[:500],
        "status": answer.status,
        "body": delivery.body,
    }


def _note_try(delivery: Delivery, answer: Answer) -> None:
    DeliveryAttempt.objects.create(
        delivery=delivery,
        status=answer.status,
        body=answer.body,
        message=answer.message[:500],
        milliseconds=answer.milliseconds,
    )


def _tell_run(delivery: Delivery, message: str, *, failed: bool, answer: Answer | None = None) -> None:
    """Without the answer's text, which is for admins."""
    if delivery.run_id:
        runs.note(delivery.run_id, delivery.step, message, failed=failed, status=answer.status if answer else None)


def _what(delivery: Delivery) -> str:
    if delivery.kind == Delivery.Kind.PERSON:
        return "Person"
    return f"{'Webhook' if delivery.kind == Delivery.Kind.WEBHOOK else 'Event'} “{delivery.event_name}”"


def _spread(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  spreads retries, guards nothing
