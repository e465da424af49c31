"""`bin/start`: the product alone, empty at first."""

import argparse
import os
from pathlib import Path

from local.product import default_data, keep_port, prepare
from local.run import running


def main() -> None:
    parser = argparse.ArgumentParser(prog="bin/start", description="Run Millrace on this machine. Ctrl-C stops it.")
    parser.add_argument("--port", type=int, default=8000, help="the next free one is taken when it is in use")
    parser.add_argument("--data", type=Path, default=default_data(), help="where engines and secrets live (./var)")
    options = parser.parse_args()
    with running(options.data, "start", f"Millrace already runs from this folder ({options.data}).") as here:
        port = keep_port(options.port)
        here.environment["SITE_URL"] = os.environ.get("SITE_URL") or f"http://127.0.0.1:{port}"
        prepare(here.environment, "create_admin --first")
        here.start_product(port)
        local, public = f"http://127.0.0.1:{port}", here.environment["SITE_URL"]
        where = public if public == local else f"{public}, on this machine at {local}"
        print(f"Millrace runs at {where}  (Ctrl-C stops it; logs in {here.data.logs})", flush=True)
        here.keep_running()


if __name__ == "__main__":
    main()
