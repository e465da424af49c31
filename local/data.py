"""The folder where embedded engines, generated secrets and logs live, held by one process at a time."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class DataInUseError(Exception):
    """Another process holds the folder."""


class DataFolder:
    """`path` is created with access for its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock: int | None = None

    def lock(self, *, wait: float = 0) -> None:
        """Hold the folder until this process ends, however it ends. DataInUseError after `wait` seconds."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        give_up = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    os.close(descriptor)
                    raise DataInUseError(str(self.path)) from None
                time.sleep(0.1)
            else:
                self._lock = descriptor
                return

    def in_use(self) -> bool:
        """Whether another process holds the folder now."""
        try:
            self.lock()
        except DataInUseError:
            return True
        self.unlock()
        return False

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self, name: str) -> dict[str, Any]:
        """The JSON object in a file of this folder; empty when it is not there."""
        try:
            content: dict[str, Any] = json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return {}
        return content

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Replaces the file in one step, readable for its owner alone."""
        temporary = self.path / f"{name}.new"
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(content, file, indent=1)
        temporary.replace(self.path / name)

    def secrets(self) -> dict[str, str]:
        """SECRET_KEY and FIELD_KEYS, made once. Losing the file loses the stored Stripe keys."""
        kept = self.read("secrets.json")
        made = {
            "SECRET_KEY": kept.get("SECRET_KEY") or secrets.token_urlsafe(50),
            "FIELD_KEYS": kept.get("FIELD_KEYS") or base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
        if made != kept:
            self.write("secrets.json", made)
        return {name: os.environ.get(name) or value for name, value in made.items()}

    @property
    def logs(self) -> Path:
        folder = self.path / "log"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder
