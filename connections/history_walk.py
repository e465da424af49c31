"""Windows of one account walked at once: threads read pages, this one writes all that are there in one transaction.

While pages are written the next ones are read already. What was read and not written is read again by whoever comes
next: the cursor commits with its page.
"""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from connections import api, history_ends, history_pages, history_windows, history_writes
from connections.history_pages import Cursor, Page
from connections.models import SyncRun, SyncWindow
from connections.sources.base import ObjectState, SourceError
from connections.sources.stripe.client import Client

# Records a transaction: while they are written they are in memory as read, as held and as they go out.
WRITTEN_AT_ONCE = 450
# Pages asked for, read, or being written. Half of them can be read while the other half is written, which takes longer.
IN_HAND = history_windows.WALKED_BY_ONE
_REST = timedelta(seconds=1)
_STOPS_THE_WALK = (*history_ends.WAITS_FOR_THE_ACCOUNT, "unavailable")


@dataclass
class Place:
    """A claimed window, and where its next page begins: ahead of the window's own cursor while a page is written.

    `again`: a second that is read once more.
    """

    window: SyncWindow
    run: SyncRun
    at: Cursor
    dropped: bool = False
    again: datetime | None = None


class Walk:
    """The windows of an account that this worker walks, until none is left, something stops it, or time is up."""

    def __init__(self, connection_id: int, ends: float) -> None:
        self._connection_id, self._ends = connection_id, ends
        self._runs: dict[int, SyncRun] = {}
        self._idle: list[Place] = []
        self._asked: dict[Future[Page], Place] = {}
        self._refused: dict[int, tuple[SyncRun, SourceError]] = {}
        self._stopped = False
        self._pages = 0

    def walk(self, windows: list[SyncWindow]) -> int:
        """Returns how many pages were written."""
        self._take(windows)
        try:
            client = api.ungated_client_of(next(iter(self._runs.values())).resource.connection)
        except SourceError as refusal:
            for place in self._idle:
                self._interrupted(place, refusal)
            self._idle = []
        else:
            with ThreadPoolExecutor(history_windows.WALKED_BY_ONE) as threads:
                self._go(client, threads)
        for place in self._idle:
            place.window.later(timedelta(0))
        for run, told in self._refused.values():
            history_ends.note_waiting(run, told)
        return self._pages

    def _go(self, client: Client, threads: ThreadPoolExecutor) -> None:
        # However little time there is, what was claimed is asked for once.
        self._ask(client, threads)
        while self._idle or self._asked:
            going_on = not self._stopped and time.monotonic() < self._ends
            if going_on:
                self._ask(client, threads)
            elif not self._asked:
                return
            if not self._asked:
                if self._stopped:
                    return
                self._rest()
                continue
            done, _ = wait(self._asked, timeout=1.0, return_when=FIRST_COMPLETED)
            pages = self._read(done)
            del done
            self._idle += [place for place, page in pages if page.more]
            while pages:
                if not self._stopped and time.monotonic() < self._ends:
                    self._ask(client, threads, IN_HAND - len(pages))
                count = _fitting(pages)
                self._write(pages[:count])
                del pages[:count]
            mine = len(self._idle) + len(self._asked)
            if going_on and not self._stopped and mine < history_windows.WALKED_BY_ONE:
                self._take(history_windows.claim(self._connection_id, mine=mine, fresh=True))

    def _read(self, done: set[Future[Page]]) -> list[tuple[Place, Page]]:
        read = [(self._asked.pop(future), future) for future in done]
        return [(place, page) for place, future in read if (page := self._page(place, future))]

    def _take(self, windows: list[SyncWindow]) -> None:
        for run_id in {window.run_id for window in windows} - self._runs.keys():
            run = SyncRun.objects.select_related("resource__connection", "resource__mapping").get(pk=run_id)
            history_ends.note_running(run)
            self._runs[run_id] = run
        self._idle += [
            Place(window, self._runs[window.run_id], Cursor(window.after_id, window.after_created))
            for window in windows
        ]

    def _ask(self, client: Client, threads: ThreadPoolExecutor, room: int = IN_HAND) -> None:
        """Read the next pages of those that wait, as far as the rate limit lets us, and until `room` are asked for."""
        # Whoever has waited longest comes first.
        scopes = list(dict.fromkeys(history_pages.scope_of(place.run) for place in self._idle))
        for scope in scopes:
            waiting = [place for place in self._idle if history_pages.scope_of(place.run) == scope]
            waiting = waiting[: max(0, room - len(self._asked))]
            if not waiting:
                continue
            try:
                granted = api.allowed(waiting[0].run.resource.connection, scope, len(waiting))
            except api.Rekeyed:
                # What waits is put back; the next walk has the new key.
                self._stopped = True
                return
            for place in waiting[:granted]:
                self._idle.remove(place)
                self._asked[threads.submit(history_pages.read_page, client, place.window, place.run, place.at)] = place

    def _rest(self) -> None:
        """Nothing may be asked now: wait for the rate limit, no longer than this walk lasts."""
        place = self._idle[0]
        pause = api.pause(place.run.resource.connection, history_pages.scope_of(place.run))
        time.sleep(max(0.0, min(pause, self._ends - time.monotonic())))

    def _page(self, place: Place, future: Future[Page]) -> Page | None:
        if place.dropped:
            return None
        try:
            page = future.result()
        except SourceError as error:
            if error.code == "resource_missing" and place.at.after_id:
                # The object the cursor stood on is gone: go on from its second.
                place.at, place.again = Cursor("", place.at.after_created), place.at.after_created
                self._idle.append(place)
            else:
                self._interrupted(place, error)
            return None
        place.at = page.next
        return history_pages.without_written(page, place.run, place.again) if place.again else page

    def _interrupted(self, place: Place, error: SourceError) -> None:
        self._stopped = self._stopped or error.code in _STOPS_THE_WALK
        if history_ends.interrupted(place.window, place.run, error):
            self._refused[place.run.pk] = place.run, error

    def _write(self, pages: list[tuple[Place, Page]]) -> None:
        along: list[ObjectState] = []
        ready = [(place, page) for place, page in pages if self._behind(place, page, along)]
        told = [(place.window, place.run, page) for place, page in ready]
        written = history_writes.write(self._connection_id, told, along) if told else set()
        self._pages += len(written)
        for place, _ in ready:
            if place.window.pk not in written:
                # Paused, cancelled, disconnected, another worker's by now, read by a mapping that was replaced, or
                # refused by the database for a moment. Whoever claims it next looks at its run, and mapping, anew.
                self._runs.pop(place.run.pk, None)
                self._drop(place)
                place.window.later(_REST)

    def _behind(self, place: Place, page: Page, along: list[ObjectState]) -> bool:
        """Add to `along` what the page's mapping follows and does not bring. False if that was refused.

        What other pages bring does not count: they may not be written after all.
        """
        came = {state.key for state in along} | {state.key for row in page.rows for state in row.states}
        try:
            found = history_pages.behind(api.client_of(place.run.resource.connection), place.run, page.rows, came)
        except SourceError as error:
            self._drop(place)
            self._interrupted(place, error)
            return False
        along += [state for one in found for state in one.states]
        return True

    def _drop(self, place: Place) -> None:
        """Ask for no further page of it, and leave the one under way."""
        place.dropped = True
        self._idle = [other for other in self._idle if other is not place]


def _fitting(pages: list[tuple[Place, Page]]) -> int:
    """How many of these pages, from the first on, make one transaction. One at least."""
    sizes = accumulate(len(page.rows) for _, page in pages)
    return max(1, sum(size <= WRITTEN_AT_ONCE for size in sizes))
