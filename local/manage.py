"""`bin/manage`: manage.py on the engines of a running start or demo, else on embedded ones for as long as it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from local.data import ROOT, DataFolder
from local.product import default_data, prepare, python
from local.run import RUNTIME, running

# These make the tables themselves, or need none.
WITHOUT_TABLES = {"migrate", "makemigrations", "help", "--help", "--version", "check"}
PATIENCE = 120.0  # seconds for another bin/manage that holds the folder


def _runs_here(data: DataFolder) -> dict[str, str] | None:
    """The environment of the start or demo that runs on this folder now."""
    if not (data.path / RUNTIME).exists() or not data.in_use():
        return None
    try:
        content = data.read(RUNTIME)
    except json.JSONDecodeError:
        return None
    environment: dict[str, str] | None = content.get("environment")
    return environment


def _manage(arguments: list[str], environment: Mapping[str, str]) -> int:
    # What the caller sets wins, as everywhere.
    return subprocess.run(
        python(str(ROOT / "manage.py"), *arguments),
        env={**environment, **os.environ},
        cwd=os.environ.get("CALLED_FROM"),
        check=False,
    ).returncode


def main() -> int:
    arguments = sys.argv[1:]
    data = default_data()
    for folder in (data, data / "demo"):
        if folder.is_dir() and (environment := _runs_here(DataFolder(folder))):
            return _manage(arguments, environment)
    with running(data, "manage", "Millrace is just starting or stopping here; try again.", wait=PATIENCE) as here:
        if not WITHOUT_TABLES.intersection(arguments[:1]):
            prepare(here.environment)
        return _manage(arguments, here.environment)


if __name__ == "__main__":
    sys.exit(main())
