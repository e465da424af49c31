"""bin/bench NAME [options]: one benchmark, with its baseline in the same run."""

from __future__ import annotations

import importlib
import sys

NAMES = ("webhooks", "history", "pages", "inbox_size", "segments", "automations", "plans")


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        sys.exit(f"Usage: bin/bench {' | '.join(NAMES)} [--help]")
    importlib.import_module(f"bench.{sys.argv[1]}").main(sys.argv[2:])


if __name__ == "__main__":
    main()
