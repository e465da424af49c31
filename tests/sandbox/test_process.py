"""The sandbox as a process of its own: state file, control page, signals; and what it may import."""

import ast
import json
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stripe as official

from sandbox.stripe import connect
from sandbox.stripe.demo import DEMO_KEYS, NORTHWIND
from tests.sandbox.conftest import Receiver

ROOT = Path(__file__).parents[2]
Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """start(*arguments): the process and its address, state kept in tmp_path."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "sandbox.stripe", "--port", "0", "--state", str(tmp_path / "stripe.json")]
        process = subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Stripe sandbox at http://")
        return process, line.split()[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def test_it_comes_back_with_everything_after_sigterm(start: Start) -> None:
    process, url = start("--seed", "demo")
    account = connect(url).account(NORTHWIND)
    account.grow(50)
    made = account.create_customer(email="kept@shop.example")
    account.delete_customer(account.create_customer()["id"])
    before, charges = account.objects("customer"), account.objects("charge")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    _, url = start("--seed", "demo")
    again = connect(url).account(NORTHWIND)
    assert again.key == DEMO_KEYS["northwind"]
    assert again.objects("customer") == before
    assert before[0]["id"] == made["id"]
    assert again.objects("charge") == charges
    assert again.create_customer()["id"] not in {customer["id"] for customer in before}


def test_what_was_not_delivered_is_delivered_by_the_next_process(start: Start, receiver: Receiver) -> None:
    process, url = start()
    connect(url).hold()
    account = connect(url).account("main")
    client = official.StripeClient(account.key, base_addresses={"api": url})
    client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["customer.created"]})
    made = account.create_customer()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    start()
    assert json.loads(receiver.wait_for(1)[0][1])["data"]["object"]["id"] == made["id"]


def test_the_control_page_works_without_script(start: Start) -> None:
    _, url = start("--seed", "demo")
    page = _get(url)
    assert DEMO_KEYS["northwind"] in page
    assert "<script" not in page
    account = connect(url).account(NORTHWIND)
    form = {"account": account.id, "mode": "live", "do": "create_customer", "email": "page@shop.example", "name": ""}
    request = urllib.request.Request(url, urllib.parse.urlencode(form).encode())  # noqa: S310 - our own process
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert "Done: create customer cus_" in answer.read().decode()
    assert account.objects("customer")[0]["email"] == "page@shop.example"
    for mode in ("live", "test"):
        for one in json.loads(_get(f"{url}/_sandbox/accounts"))["accounts"]:
            assert one["name"] in _get(f"{url}/?account={one['id']}&mode={mode}")


def test_its_keys_are_listed_for_the_demo(start: Start) -> None:
    _, url = start("--seed", "demo")
    listed = {key["secret"] for key in json.loads(_get(f"{url}/_sandbox/keys"))["keys"]}
    assert set(DEMO_KEYS.values()) <= listed


def test_a_refused_control_call_says_why(start: Start) -> None:
    _, url = start()
    with pytest.raises(Exception, match="unexpected keyword argument 'speed'"):
        connect(url).deliveries(speed=3)
    connect(url).faults(status=500)
    assert json.loads(_get(f"{url}/_sandbox/faults"))["faults"][0]["status"] == 500


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
        text: str = answer.read().decode()
        return text


# A receiver checks signatures as its owner would: with the library of the standard, not with code of ours.
LIBRARIES = {"standardwebhooks"}


def test_it_imports_little_beside_the_standard_library_and_itself() -> None:
    for path in (ROOT / "sandbox").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in names:
                assert name.partition(".")[0] in sys.stdlib_module_names | LIBRARIES | {"sandbox"}, (
                    f"{path} imports {name}"
                )
