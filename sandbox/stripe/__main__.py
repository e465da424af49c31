"""python -m sandbox.stripe --port N --state FILE [--host 127.0.0.1] [--seed demo]

With --seed, time passes: what is due in the demo's shops happens, also what came due while nothing ran.
Prints one line when it listens. SIGTERM, SIGINT and SIGHUP save the state and end it.
"""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from . import demo, passing, server, state
from .world import World

LOOK_SECONDS = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.stripe", description="A small Stripe for demo and tests.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4242, help="0 takes a free port")
    parser.add_argument(
        "--state", type=Path, help="file that keeps the world between starts; without it nothing is kept"
    )
    parser.add_argument("--seed", choices=["demo"], help="begin with the demo's accounts if there is no state file")
    chosen = parser.parse_args()
    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, lambda *_: ended.set())
    sys.setswitchinterval(0.001)  # many threads with short work: none should wait long for its turn
    world = _world(chosen.state, chosen.seed)
    if chosen.seed:
        passing.catch_up(world)
    try:
        running = server.start(world, chosen.host, chosen.port)
    except OSError as reason:
        print(f"The sandbox cannot listen on {chosen.host}:{chosen.port}: {reason}", file=sys.stderr)  # noqa: T201
        return 1
    keeper = state.StateFile(world, chosen.state) if chosen.state else None
    print(f"Stripe sandbox at {running.base_url}", flush=True)  # noqa: T201
    while not ended.wait(LOOK_SECONDS):
        if chosen.seed:
            passing.catch_up(world)
    server.stop(running)
    if keeper:
        keeper.close()
    if world.deliveries.in_flight:
        os._exit(0)  # a receiver that does not answer must not hold up the end; its event is sent after the next start
    return 0


def _world(path: Path | None, seed: str | None) -> World:
    """The kept world, or a new one: the demo's, or empty."""
    if path and path.exists():
        return state.read(path)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
    return demo.build() if seed == "demo" else World()


if __name__ == "__main__":
    sys.exit(main())
