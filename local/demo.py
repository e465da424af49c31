"""`bin/demo`: the product beside a sandbox Stripe, with people and an account to look at."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import sys
from pathlib import Path

from local.data import DataFolder
from local.engines import forget_cluster
from local.processes import Program
from local.product import default_data, keep_port, prepare, python, wait_until_ready
from local.run import Running, running

SANDBOX_PORT = 8100
PEOPLE = {"admin": "Ada Admin", "marketer": "Mia Marketer", "staff": "Sam Staff"}
RUNS_ALREADY = "The demo already runs from this folder."


def _passwords(data: DataFolder) -> dict[str, str]:
    """{role: password}, made once."""
    kept: dict[str, str] = data.read("passwords.json")
    if not kept:
        kept = {role: "-".join(secrets.token_hex(2) for _ in range(3)) for role in PEOPLE}
        data.write("passwords.json", kept)
    return kept


def _address(role: str) -> str:
    return f"{role}@demo.millrace.example"


def _start_sandbox(here: Running, port: int) -> None:
    state = here.data.path / "stripe.json"
    command = python("-m", "sandbox.stripe", "--port", str(port), "--state", str(state), "--seed", "demo")
    here.supervisor.start(Program("sandbox", command))
    wait_until_ready(here.supervisor, "sandbox", port, "/")


def _start_receivers(here: Running, after: int) -> tuple[str, str]:
    """(where Customer.io answers, where webhooks go): fakes of the systems that automations send to."""
    customerio = keep_port(after)
    receiver = keep_port(customerio + 1)
    for name, module, port in (
        ("customerio", "sandbox.customerio", customerio),
        ("webhook receiver", "sandbox.webhook_receiver", receiver),
    ):
        state = here.data.path / f"{module.rpartition('.')[2]}.json"
        here.supervisor.start(Program(name, python("-m", module, "--port", str(port), "--state", str(state))))
        wait_until_ready(here.supervisor, name, port, "/")
    return f"http://127.0.0.1:{customerio}", f"http://127.0.0.1:{receiver}"


def _destinations(receiver: str) -> str:
    """The command that makes the demo's destinations."""
    from sandbox.customerio.world import DEMO
    from sandbox.webhook_receiver.world import DEMO_SECRET

    credentials = f"{DEMO['region']}:{DEMO['site_id']}:{DEMO['api_key']}"
    return f"demo_destinations {receiver}/hooks {DEMO_SECRET} {credentials}"


def _first_automations(here: Running, sandbox: str) -> Program:
    """Makes what the demo shows of automations, beside the product: it waits for the first recurring payment."""
    command = python("manage.py", "demo_automations", sandbox)
    return Program("first automations", command, {**here.environment, "PROCESS": "manage"}, once=True)


def _sandbox_keys() -> dict[str, str]:
    from sandbox.stripe.demo import DEMO_KEYS

    return dict(DEMO_KEYS)


def _tell(here: Running, sandbox: str, passwords: dict[str, str], others: dict[str, str]) -> None:
    lines = [f"\nMillrace runs at {here.environment['SITE_URL']}\n", "Sign in as"]
    lines += [f"  {_address(role):34} {passwords[role]}" for role in PEOPLE]
    lines += [f"\nThe sandbox Stripe is at {sandbox}; its keys, to connect accounts with:"]
    lines += [f"  {label.replace('_', ' '):24} {key}" for label, key in _sandbox_keys().items()]
    lines += [f"\n{name} of the sandbox, which shows what arrived, is at {url}" for name, url in others.items()]
    print("\n".join([*lines, f"\nCtrl-C stops it. Logs: {here.data.logs}"]), flush=True)


def _remove(path: Path) -> None:
    """Forget everything of an earlier demo. The folder must not be in use."""
    data = DataFolder(path)
    if data.in_use():
        sys.exit(RUNS_ALREADY)
    forget_cluster(data.path)
    shutil.rmtree(data.path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bin/demo", description="Run Millrace with a sandbox Stripe and demo data.")
    parser.add_argument("--port", type=int, default=8000, help="the next free one is taken when it is in use")
    parser.add_argument("--fresh", action="store_true", help="forget the data of earlier demos first")
    options = parser.parse_args()
    path = default_data() / "demo"
    if options.fresh:
        _remove(path)
    with running(path, "demo", RUNS_ALREADY) as here:
        port = keep_port(options.port)
        sandbox_port = keep_port(max(SANDBOX_PORT, port + 1))
        sandbox = f"http://127.0.0.1:{sandbox_port}"
        passwords = _passwords(here.data)
        here.environment |= {
            "SITE_URL": os.environ.get("SITE_URL") or f"http://127.0.0.1:{port}",
            "STRIPE_API_BASE": sandbox,
            "STRIPE_POLL_SECONDS": "3",
            "DEMO": "1",
            "EMAIL_URL": os.environ.get("EMAIL_URL") or "mailbox://",
            "WORKSPACE_NAME": os.environ.get("WORKSPACE_NAME", "Millrace demo"),
        }
        _start_sandbox(here, sandbox_port)
        customerio, receiver = _start_receivers(here, sandbox_port + 1)
        here.environment["CUSTOMERIO_API_BASE"] = f"{customerio}/{{region}}"
        people = {
            _address(role): {"name": name, "role": role, "password": passwords[role]} for role, name in PEOPLE.items()
        }
        prepare(here.environment, "demo_users", "seed_demo", _destinations(receiver), given=json.dumps(people))
        here.start_product(port)
        _tell(here, sandbox, passwords, {"Customer.io": customerio, "A webhook receiver": receiver})
        here.supervisor.start(_first_automations(here, sandbox))
        here.keep_running()


if __name__ == "__main__":
    main()
