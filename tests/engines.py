"""pytest plug-in: throw-away PostgreSQL and Valkey where DATABASE_URL and REDIS_URL name none.

Starts before pytest-django reads the settings, and only once: xdist's workers inherit the addresses.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from local.engines import Engines
from local.processes import Supervisor

DEFAULTS = {
    "SECRET_KEY": "for-tests-only-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG",
    "FIELD_KEYS": "dGVzdHMtb25seS1maWVsZC1rZXktMDEyMzQ1Njc4OTA=",
    "EMAIL_URL": "memorymail://",
    "STRIPE_RATE_LIMIT": "0",
    # Playwright keeps an event loop running in the thread in which Django's database calls are made.
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
}
# An installation's own values must not decide whether tests pass.
FOREIGN = (
    "SITE_URL",
    "DEBUG",
    "DEMO",
    "PROCESS",
    "STRIPE_API_BASE",
    "STRIPE_POLL_SECONDS",
    "STATIC_ROOT",
    "WORKSPACE_NAME",
)

_running: list[tuple[Engines, Path]] = []


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(DEFAULTS)
    data = Path(tempfile.mkdtemp(prefix="millrace-tests-"))
    (data / "log").mkdir()
    supervisor = Supervisor(data / "log")
    engines = Engines(data, supervisor, throwaway=True)
    for folder in (data, engines.sockets):
        supervisor.remove_at_end(folder)
    _running.append((engines, data))
    os.environ.update(engines.start())


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    while _running:
        engines, data = _running.pop()
        engines.stop()
        shutil.rmtree(data, ignore_errors=True)
