"""What the application of a setup file has done so far, to be taken back if it is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from connections import fence
from connections.setup_reading import Problem, Refused


class Undo:
    """The steps of one application. As a context: an error takes them back, the last one first, before it goes on.

    What a batch under way stands against too long stays as it is, and the refusal tells it (`Refused.left`).
    """

    def __init__(self) -> None:
        self._steps = ExitStack()
        self._left: list[Problem] = []

    def later(self, step: Callable[[], object], told: Problem | None = None) -> None:
        """`step` takes something back; `told` is said where it would have to wait too long, if it can have to."""
        self._steps.callback(self._take_back, step, told)

    def _take_back(self, step: Callable[[], object], told: Problem | None) -> None:
        try:
            step()
        except fence.Busy:
            if told is None:
                raise
            self._left.append(told)

    def __enter__(self) -> Undo:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._steps.pop_all()
            return
        self._steps.close()
        if isinstance(error, Refused):
            error.left += self._left
