"""python -m sandbox.customerio --port N [--state FILE]: with the demo's account. Prints one line when it listens."""

import argparse
from pathlib import Path

from sandbox import listening
from sandbox.customerio.world import DEMO, World


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.customerio", description="A small Customer.io.")
    parser.add_argument("--port", type=int, default=8102, help="0 takes a free port")
    parser.add_argument("--state", type=Path, help="file that keeps people and events between starts")
    chosen = parser.parse_args()
    world = World(chosen.state)
    if not world.accounts:
        world.add_account(**DEMO)
    server = listening.start(world.answer, world.control, world.faults, port=chosen.port)
    print(f"Customer.io sandbox at {server.base_url}", flush=True)  # noqa: T201
    listening.wait_for_end()
    listening.stop(server)


if __name__ == "__main__":
    main()
