"""The product as it runs: web server, a Celery worker with its timetable, and a browser. All on the test database."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client

from local.data import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

    from users.models import User


def process_environment() -> dict[str, str]:
    """What a process of the product needs to work beside this test: its database and the settings of this moment."""
    database = connection.settings_dict
    user, password = quote(database["USER"]), quote(database["PASSWORD"])
    place = f"{user}:{password}@/{database['NAME']}?host={quote(database['HOST'], safe='/')}"
    broker = os.environ["REDIS_URL"].rpartition("virtual_host=0")[0]
    number = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    environment = {
        "DATABASE_URL": f"postgres://{place}" + (f"&port={database['PORT']}" if database["PORT"] else ""),
        # Each of xdist's workers rings its own bell.
        "REDIS_URL": f"{broker}virtual_host={number}" if broker else os.environ["REDIS_URL"],
        "SITE_URL": django_settings.SITE_URL,
        "STRIPE_API_BASE": django_settings.STRIPE_API_BASE,
    }
    if django_settings.STRIPE_POLL_SECONDS is not None:
        environment["STRIPE_POLL_SECONDS"] = str(django_settings.STRIPE_POLL_SECONDS)
    return {**os.environ, **environment}


@dataclass
class CeleryWorker:
    """A worker with the timetable in a process of its own. `log` says what it did."""

    log: Path
    schedule: Path
    concurrency: int = 1
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        command = [sys.executable, "-m", "celery", "-A", "config.celery", "worker", "--beat"]
        command += ["--schedule", str(self.schedule), "--concurrency", str(self.concurrency), "--loglevel", "WARNING"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--pidfile="]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**process_environment(), "PROCESS": "worker"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """In order: the task at hand is finished."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As by a crash of the machine: nothing is finished, nothing is given back."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        if number == signal.SIGTERM:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None


@pytest.fixture
def celery_worker(transactional_db: None, tmp_path: Path) -> Iterator[CeleryWorker]:
    """A running worker. Change settings (STRIPE_API_BASE, SITE_URL) before asking for it."""
    worker = CeleryWorker(tmp_path / "worker.log", tmp_path / "schedule")
    worker.start()
    yield worker
    worker.kill()


@pytest.fixture
def live_app(live_server: LiveServer, settings: SettingsWrapper) -> LiveServer:
    """The web at `live_app.url`, which is SITE_URL for the length of the test."""
    settings.SITE_URL = live_server.url
    return live_server


# --- Browser ---

# Milliseconds that the browser waits for what should come; the web and the test share one interpreter.
PATIENCE = 30_000


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The system's Chromium; without one browser tests are skipped, in CI they fail."""
    path = find_chromium()
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no Chromium on the path")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    return {"executable_path": path, "args": flags}


@pytest.fixture
def open_page(browser: Browser, live_app: LiveServer) -> Iterator[Callable[..., Page]]:
    """open_page(user or None, path, javascript=True, …context options): a page of a browser where `user` is signed in.

    Fails the test at its end when any page broke the Content-Security-Policy or a script stopped with an error.
    SLOW=8 makes the browser eight times slower, which finds tests that do not wait for what they look at.
    """
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    complaints: list[str] = []
    contexts = []

    def listen(message: Any) -> None:
        if "Content Security Policy" in message.text or "Content-Security-Policy" in message.text:
            complaints.append(message.text)

    def open_one(user: User | None, path: str = "/", *, javascript: bool = True, **options: Any) -> Page:
        options.setdefault("viewport", {"width": 1440, "height": 900})
        context = browser.new_context(base_url=live_app.url, java_script_enabled=javascript, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            name = django_settings.SESSION_COOKIE_NAME
            context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_app.url}])
        page = context.new_page()
        if slower := os.environ.get("SLOW"):
            context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": float(slower)})
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        # No page asks any more when the database is emptied.
        for page in context.pages:
            page.goto("about:blank")
        context.close()
    assert not complaints
