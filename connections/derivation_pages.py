"""How a page of what is derived is written: again when others were in the way, and without those that fail."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.db import IntegrityError, OperationalError, transaction

from connections import derived, failed_derivations
from connections.derived import Told
from connections.models import Connection, Rederivation
from connections.refusals import is_own_doing, passes
from connections.sources.stripe import cut_lists

logger = logging.getLogger(__name__)
_CROSSWISE_TRIES = 5


def write(page: Callable[[bool], None]) -> None:
    """Call `page` in a transaction; a few times, as another worker may make the same rows or lock crosswise.

    It is told whether this is the last time: what the database still refuses then is the rows' own doing.
    """
    for attempt in range(1, _CROSSWISE_TRIES + 1):
        try:
            with transaction.atomic():
                page(attempt == _CROSSWISE_TRIES)
            return
        except (IntegrityError, OperationalError) as error:
            if attempt == _CROSSWISE_TRIES or is_own_doing(error):
                raise
            time.sleep(0.02 * attempt)


def derive(connection: Connection, told: dict[str, Told], *, is_last: bool) -> None:
    """All of them, by key of the subscription or purchase, in the caller's transaction. One that cannot be derived
    fails alone, and is kept to be tried again by schedule.
    """
    try:
        with transaction.atomic():
            derived.refresh(connection, told, billed_later=True)
    except Exception as error:
        if passes(error) or (isinstance(error, IntegrityError) and not is_last):
            raise
        if len(told) > 1:
            keys = sorted(told)
            for half in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
                derive(connection, {key: told[key] for key in half}, is_last=is_last)
            return
        logger.exception("What follows from an object could not be derived", extra={"objects": sorted(told)})
        failed_derivations.keep(connection, told, error)


def derive_beside(connection: Connection, told: dict[str, Told], *, is_last: bool) -> None:
    """What follows from objects that were just stored, by key, in the caller's transaction.

    If it cannot be derived the objects stay stored, and what follows from each is tried again by schedule.
    """
    try:
        with transaction.atomic():
            derived.refresh(connection, told)
    except Exception as error:
        if passes(error) or (isinstance(error, IntegrityError) and not is_last):
            raise
        logger.exception("What follows from an object could not be derived", extra={"objects": sorted(told)})
        owners = {cut_lists.owner_key(key): fact for key, fact in told.items()}
        shared = {key for key in owners if derived.is_shared(key)}
        failed_derivations.keep(connection, {key: owners[key] for key in owners.keys() - shared}, error)
        for key in sorted(shared):
            # Each recurring payment that uses it fails, or not, by itself.
            Rederivation.objects.create(connection=connection, shared=key, **owners[key]._asdict())
