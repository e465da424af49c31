"""The database as each kind of process uses it: how long it waits, and what it does when the other side is silent."""

from __future__ import annotations

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_STATEMENT_TIMEOUT = {"web": "5s", "worker": "60s"}


def database_settings(env: environ.Env, process: str) -> dict[str, Any]:
    """The connection, with a socket's folder moved from the query to HOST so that dbshell and the tests find it too.

    `process`: "web" keeps a pool and short limits, "worker" long ones, commands have none. ImproperlyConfigured if
    DATABASE_URL names anything but PostgreSQL.
    """
    config: dict[str, Any] = env.db_url("DATABASE_URL")
    if config["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database (postgres://…).")
    options = config.setdefault("OPTIONS", {})
    config["HOST"] = options.pop("host", config["HOST"])
    config["CONN_HEALTH_CHECKS"] = True
    options.setdefault("application_name", f"millrace {process}".strip())
    if process in _STATEMENT_TIMEOUT:
        silence = env.int("DATABASE_SILENCE_SECONDS", 15)
        options.setdefault("options", f"{_limits(silence)} -c statement_timeout={_STATEMENT_TIMEOUT[process]}")
        for name, value in _probes(silence).items():
            options.setdefault(name, value)
    if process == "web":
        _connect_soon()
        # A wrong address should show within seconds; the pool's own default hides it for half a minute.
        options["pool"] = {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", 16), "timeout": 5}
    else:
        config["CONN_MAX_AGE"] = None
    return config


def _limits(silence: int) -> str:
    """A host that vanishes says no goodbye: PostgreSQL asks after so many seconds of silence, and after twice as many
    the session is gone with its locks. Only over TCP.
    """
    return (
        f"-c tcp_keepalives_idle={silence} -c tcp_keepalives_interval={max(1, silence // 3)} -c tcp_keepalives_count=3 "
        f"-c tcp_user_timeout={2 * silence}s -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s"
    )


def _probes(silence: int) -> dict[str, int]:
    """The same from this side, for a connection that is kept: a statement does not wait for a server that is gone."""
    return {
        "keepalives_idle": silence,
        "keepalives_interval": max(1, silence // 3),
        "keepalives_count": 3,
        "tcp_user_timeout": 2 * silence * 1000,
    }


def _connect_soon() -> None:
    """Have the pool try again after a quarter of a second, however often that failed.

    It waits 1, 2, 4, 8 … seconds, both between its tries to connect and between the broken connections that a request
    finds in it after a crash, and has no option for that: PostgreSQL would be back for long before pages are.
    """
    from psycopg_pool.base import AttemptWithBackoff

    AttemptWithBackoff.INITIAL_DELAY, AttemptWithBackoff.DELAY_BACKOFF = 0.25, 1.0
