"""Requests that leave the house: guarded against inner addresses, never redirected, timed, read up to 64 kB."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3
from requests_hardened import Config, Manager
from requests_hardened.ip_filter import InvalidIPAddress

from automations.destinations import addresses
from automations.destinations.deadline import Deadline

TIMEOUTS = (5, 15)  # seconds to connect, and between two pieces of the answer
LONGEST_ANSWER = 64 * 1024
# Whoever sends his answer byte by byte is not waited for: from the connection to the last byte it may take this long.
TOTAL_SECONDS = 30.0
LONGEST_RETRY_AFTER = 24 * 3600
USER_AGENT = "Millrace/1.0 (+webhooks)"
_LATE = "No answer in time."
_HELD_BACK = "The name of this host leads into a private network. Deliveries go to public hosts only."


@dataclass(frozen=True)
class Answer:
    """`status` is None when nothing came; `message` then says why, in words. `refused`: our own rules forbade it.

    `ours`: an error in this house, which says nothing of the host. `retry_after`: seconds we are asked to wait.
    """

    status: int | None
    body: str = ""
    message: str = ""
    retry_after: float | None = None
    refused: bool = False
    ours: bool = False
    milliseconds: int = 0

    @property
    def is_fine(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def send(
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    auth: tuple[str, str] | None = None,
    trusted: bool = False,
) -> Answer:
    """One request, never inside a database transaction. `trusted`: an address from our own settings, not a user's."""
    started = time.monotonic()
    with Deadline(TOTAL_SECONDS) as deadline:
        answer = _answer(method, url, body, headers, auth, trusted, deadline)
    return replace(answer, milliseconds=int((time.monotonic() - started) * 1000))


def _answer(
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    auth: tuple[str, str] | None,
    trusted: bool,
    deadline: Deadline,
) -> Answer:
    try:
        status, text, wait = _ask(method, url, body, headers, auth, trusted, deadline)
        return Answer(status, text, _words(status), wait)
    except InvalidIPAddress:
        return Answer(None, message=_HELD_BACK, refused=True)
    except (requests.Timeout, TimeoutError):
        return Answer(None, message=_LATE)
    except requests.exceptions.SSLError:
        return Answer(None, message="The certificate of the host was not accepted.")
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
        return Answer(None, message=_LATE if deadline.is_over else f"No connection: {type(error).__name__}.")


def _ask(
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    auth: tuple[str, str] | None,
    trusted: bool,
    deadline: Deadline,
) -> tuple[int, str, float | None]:
    config = Config(
        ip_filter_enable=not trusted,
        ip_filter_allow_loopback_ips=addresses.is_local(url),
        never_redirect=True,
        default_timeout=TIMEOUTS,
        user_agent_override=USER_AGENT,
    )
    with Manager(config).get_session() as session:
        # Neither a proxy of this machine nor its .netrc has a say, and no cookie is kept.
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        deadline.holds(session)
        response = session.request(method, url, data=body, headers=dict(headers), auth=auth, stream=True)
        with response:
            if deadline.is_over:
                # Headers that were cut off read as if they ended there.
                raise TimeoutError
            return response.status_code, _text(response, deadline), _retry_after(response.headers.get("Retry-After"))


def _text(response: requests.Response, deadline: Deadline) -> str:
    """What came of it until the time was over: the status is known, and that is what counts."""
    read = b""
    try:
        while len(read) < LONGEST_ANSWER and not deadline.is_over:
            piece = response.raw.read1(LONGEST_ANSWER - len(read), decode_content=False)
            if not piece:
                break
            read += piece
    except (urllib3.exceptions.HTTPError, OSError):
        if not deadline.is_over:
            raise
    # PostgreSQL keeps no NUL.
    return read.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _words(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"Answered {status}, a redirect. Redirects are not followed: write the final address."
    return f"Answered {status}."


def _retry_after(value: str | None) -> float | None:
    """Seconds, from a number or a date, at most a day."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if seconds == seconds else None
