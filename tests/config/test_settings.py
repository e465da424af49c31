"""Settings: what a wrong or missing value does, and what a public address switches on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from local.data import ROOT

PRODUCTION = {
    "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "FIELD_KEYS": "dGVzdHMtb25seS1maWVsZC1rZXktMDEyMzQ1Njc4OTA=",
    "DATABASE_URL": "postgres://user@db.example.com/millrace",
    "SITE_URL": "https://crm.example.com",
}


def ask(expression: str, **environment: str) -> tuple[int, str]:
    """(exit status, output) of an expression over the settings in a process of its own."""
    code = f"from config import settings; print({expression})"
    values = {name: value for name, value in {**PRODUCTION, **environment}.items() if value}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], **values},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("name", ["SECRET_KEY", "FIELD_KEYS"])
def test_without_its_secrets_it_refuses_to_start(name: str) -> None:
    status, output = ask("1", **{name: ""})
    assert status != 0
    assert f"{name} is missing" in output


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://a@b/c"])
def test_another_database_is_refused_by_name(url: str) -> None:
    status, output = ask("1", DATABASE_URL=url)
    assert status != 0
    assert "PostgreSQL" in output


@pytest.mark.parametrize("url", ["crm.example.com", "ftp://crm.example.com", "https://"])
def test_an_address_without_scheme_or_host_is_refused(url: str) -> None:
    status, output = ask("1", SITE_URL=url)
    assert status != 0
    assert "SITE_URL" in output


def test_a_public_address_makes_cookies_and_transport_strict() -> None:
    names = [
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_SECONDS",
        "SESSION_COOKIE_NAME",
    ]
    _, output = ask("[" + ", ".join(f"settings.{name}" for name in names) + "]")
    assert output == "[True, True, True, 31536000, '__Host-sessionid']"


def test_its_host_and_the_loopback_names_are_allowed() -> None:
    _, output = ask("settings.ALLOWED_HOSTS", ALLOWED_HOSTS="other.example.com")
    assert output == "['crm.example.com', '127.0.0.1', 'localhost', '[::1]', 'other.example.com']"


def test_a_socket_in_the_query_becomes_the_host() -> None:
    _, output = ask("settings.DATABASES['default']['HOST']", DATABASE_URL="postgres://me@/mine?host=/run/pg")
    assert output == "/run/pg"


@pytest.mark.parametrize(("process", "pooled"), [("web", True), ("worker", False), ("", False)])
def test_only_the_web_keeps_a_pool(process: str, pooled: bool) -> None:
    _, output = ask("'pool' in settings.DATABASES['default']['OPTIONS']", PROCESS=process)
    assert output == str(pooled)


def test_the_content_policy_allows_nothing_from_elsewhere_and_nothing_inline() -> None:
    _, output = ask("sorted({v for vs in settings.CONTENT_SECURITY_POLICY['DIRECTIVES'].values() for v in vs})")
    assert output == "[\"'none'\", \"'self'\", 'data:']"


def test_an_empty_mail_address_is_none() -> None:
    """Compose files hand on variables that nobody filled in."""
    code = "from config import settings; print(settings.EMAIL_BACKEND)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], **PRODUCTION, "EMAIL_URL": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "django.core.mail.backends.console.EmailBackend"
