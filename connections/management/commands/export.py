"""Data going out, for other programs and spreadsheets."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connections import export
from users import audit


class Command(BaseCommand):
    help = (
        "Writes everything of one kind, one JSON object a line or as CSV that spreadsheets open safely; the keys stand "
        "in docs/contract.md. A file is put in place only when it is complete."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", metavar="WHAT", help=", ".join(export.EXPORTS))
        parser.add_argument("--format", choices=export.FORMATS, default="jsonl")
        parser.add_argument("--out", type=Path, metavar="FILE", help="standard output otherwise")

    def handle(self, *args: Any, what: str, format: str, out: Path | None, **options: Any) -> None:
        if what not in export.EXPORTS:
            raise CommandError(f"There is no export “{what}”. There are: {', '.join(export.EXPORTS)}.")
        count = 0
        with _opened(out) if out else self._standard_output() as write:
            for text in export.lines(what, format):
                write(text)
                count += 1
        # The head of a CSV is no row.
        rows = count - (format == "csv")
        audit.record(None, f"exported {what.replace('_', ' ')}", f"{rows} rows", format=format)
        if out:
            self.stderr.write(f"{rows} rows written to {out}.", style_func=str)

    @contextlib.contextmanager
    def _standard_output(self) -> Iterator[Callable[[str], object]]:
        if hasattr(self.stdout, "reconfigure"):
            self.stdout.reconfigure(encoding="utf-8", newline="")
        try:
            yield lambda text: self.stdout.write(text, ending="")
            self.stdout.flush()
        except BrokenPipeError:
            # The reader has enough (`| head`). Python would complain once more at its own end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _opened(out: Path) -> Iterator[Callable[[str], object]]:
    """A file beside the wanted one, readable for its owner alone, that takes its place at the end."""
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=out.absolute().parent, prefix=f".{out.name}.", delete=False
        ) as file:
            temporary = file.name
            yield file.write
        Path(temporary).replace(out)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True) if temporary else None
        if isinstance(error, OSError):
            raise CommandError(f"{out} cannot be written: {error.strerror}.") from error
        raise
