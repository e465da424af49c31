"""Connections from a file: for machines, for a second installation, for keeping them under version control."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connections import setup_apply, setup_export, setup_file
from connections.setup_reading import Problem, Refused


class Command(BaseCommand):
    help = (
        "Connects accounts and their resources as a setup file says (docs/contract.md) and prints one JSON line for "
        "each. Everything is checked first, keys at Stripe too: with a mistake in the file nothing is changed and the "
        "exit status is 1. Running it again changes nothing. What the file omits stays."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="the setup file, in TOML")
        parser.add_argument("--export", action="store_true", help="print a setup file of what is connected now")
        parser.add_argument(
            "--prune", action="store_true", help="disconnect resources and accounts that the file omits"
        )

    def handle(self, *args: Any, file: Path | None, export: bool, prune: bool, **options: Any) -> None:
        if export == (file is not None) or (export and prune):
            raise CommandError("Name a setup file, or ask for --export.")
        if file is None:
            for text in setup_export.written():
                self.stdout.write(text)
            return
        try:
            lines = setup_apply.apply(setup_file.read(_content(file), os.environ), prune=prune)
        except Refused as refused:
            self._tell([*refused.problems, *refused.left])
            raise CommandError(_refusal(refused)) from None
        for line in lines:
            self.stdout.write(json.dumps(asdict(line), ensure_ascii=False))
        if failed := sum(line.action == setup_apply.ERROR for line in lines):
            raise CommandError(f"{_errors(failed)}: the rest is done. Run it again.")

    def _tell(self, problems: list[Problem]) -> None:
        for one in problems:
            told = {"connection": one.connection, "account": one.account, "resource": one.resource}
            self.stdout.write(json.dumps({**told, "action": "error", "message": one.message}, ensure_ascii=False))


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Refused([Problem(f"{file} cannot be read: {error.strerror}.")]) from None
    except UnicodeDecodeError:
        raise Refused([Problem(f"{file} is not a text in UTF-8.")]) from None


def _refusal(refused: Refused) -> str:
    if refused.left:
        return "Not everything could be taken back: a sync was writing. Run it again, with the mistake mended."
    return f"Nothing was changed: {_errors(len(refused.problems))}."


def _errors(count: int) -> str:
    return "1 error" if count == 1 else f"{count} errors"
