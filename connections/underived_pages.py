"""What imports left underived, made in pages: each page and its marks are one transaction."""

from __future__ import annotations

import logging
import time
from datetime import datetime

from django.db import IntegrityError, OperationalError, transaction

from common import rows
from common.origin import Origin
from connections import derived, remote_objects
from connections.derived import Told
from connections.inbox import Moved, fenced
from connections.models import Connection
from connections.underived import due

logger = logging.getLogger(__name__)
DRAIN_SECONDS = 20
PAGE = 200
_CROSSWISE_TRIES = 5


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Derive what is due until there is nothing or the time is up. Returns how many pages were written."""
    ends = time.monotonic() + seconds
    pages = 0
    while time.monotonic() < ends and (first := due().order_by("pk").first()):
        keys = due().filter(connection=first.connection_id).order_by("pk").values_list("key", flat=True)[:PAGE]
        try:
            _write_page(first.connection_id, set(keys))
        except Moved:
            break
        pages += 1
    return pages


def _write_page(connection_id: int, keys: set[str]) -> None:
    for attempt in range(1, _CROSSWISE_TRIES + 1):
        try:
            with transaction.atomic():
                connection = fenced(connection_id)
                remote_objects.lock(connection, keys)
                values = [connection_id, sorted(keys)]
                _derive(connection, {key: (at, silent) for key, at, silent in rows.execute(_TAKE, values)})
            return
        except (IntegrityError, OperationalError):
            if attempt == _CROSSWISE_TRIES:
                raise
            time.sleep(0.02 * attempt)


_TAKE = """delete from connections_underived where connection_id = %b and key = any(%b::text[])
    returning key, occurred_at, silent"""


def _derive(connection: Connection, taken: dict[str, tuple[datetime, bool]]) -> None:
    """All of them; one that cannot be derived fails alone."""
    told = {
        key: Told(at, Origin.HISTORY, f"{connection.pk}:history:{key}:{at.timestamp():.0f}", silent)
        for key, (at, silent) in taken.items()
    }
    try:
        with transaction.atomic():
            derived.refresh(connection, told)
    except (IntegrityError, OperationalError):
        raise
    except Exception:
        if len(taken) > 1:
            keys = sorted(taken)
            for half in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
                _derive(connection, {key: taken[key] for key in half})
            return
        logger.exception("A recurring payment could not be derived", extra={"objects": sorted(taken)})
