"""Where webhooks may go: looked at when an address is saved, and again where its name leads when something is sent."""

from __future__ import annotations

import socket

import pytest
from pytest_django import Settings

from automations.destinations import addresses, http

HOSTILE = [
    "http://example.com/x",
    "https://localhost/x",
    "https://127.0.0.1/x",
    "https://127.1/x",
    "https://2130706433/x",
    "https://0x7f000001/x",
    "https://0x7f.0.0.1/x",
    "https://0177.0.0.1/x",
    "https://[::1]/x",
    "https://[::ffff:127.0.0.1]/x",
    "https://[::ffff:0:7f00:1]/x",
    "https://[64:ff9b::7f00:1]/x",
    "https://169.254.169.254/latest/meta-data/",
    "https://metadata.google.internal/x",
    "https://10.0.0.1/x",
    "https://user:password@example.com/x",
    "https://example.com:22/x",
    "https://example.com:6379/x",
    "https://example.com\\@127.0.0.1/x",
    "https://exa mple.com/x",
    "https://①②⑦.0.0.1/x",
    "ftp://example.com/x",
    "file:///etc/passwd",
    "https://",
    "",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_addresses_are_refused_on_save(url: str) -> None:
    with pytest.raises(addresses.AddressRefused):
        addresses.check(url)


def test_public_addresses_are_taken(settings: Settings) -> None:
    for url in ("https://example.com/hooks?x=1", "https://hooks.example.co.uk:8443/", "https://bücher.example/x"):
        assert addresses.check(url) == url
    with pytest.raises(addresses.AddressRefused):
        addresses.check("http://127.0.0.1:9000/hooks")
    settings.DEMO = True
    assert addresses.check("http://127.0.0.1:9000/hooks")
    with pytest.raises(addresses.AddressRefused):
        addresses.check("http://10.0.0.1:9000/hooks")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_public_name_that_leads_inside_is_refused_before_a_connection(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as inner:
        inner.bind(("127.0.0.1", 0))
        inner.listen()
        inner.setblocking(False)
        port = inner.getsockname()[1]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        place = (address, port, 0, 0) if family == socket.AF_INET6 else (address, port)
        # The name server of the attacker.
        answer = [(family, socket.SOCK_STREAM, 6, "", place)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_more: answer)
        found = http.send("POST", "https://rebind.example.com/x", b"{}", {})
        assert found.refused and found.status is None
        with pytest.raises(BlockingIOError):
            inner.accept()
