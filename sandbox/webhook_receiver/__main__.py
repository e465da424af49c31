"""python -m sandbox.webhook_receiver --port N [--secret whsec_…] [--state FILE]. Prints one line when it listens."""

import argparse
from pathlib import Path

from sandbox import listening
from sandbox.webhook_receiver.world import DEMO_SECRET, World


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.webhook_receiver", description="A webhook endpoint.")
    parser.add_argument("--port", type=int, default=8103, help="0 takes a free port")
    parser.add_argument("--secret", default=DEMO_SECRET, help="what signatures are checked with")
    parser.add_argument("--state", type=Path, help="file that keeps the messages between starts")
    chosen = parser.parse_args()
    world = World([chosen.secret], chosen.state)
    server = listening.start(world.answer, world.control, world.faults, port=chosen.port)
    print(f"Webhook receiver at {server.base_url}/hooks", flush=True)  # noqa: T201
    listening.wait_for_end()
    listening.stop(server)


if __name__ == "__main__":
    main()
