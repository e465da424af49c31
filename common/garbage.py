"""How often Python looks for garbage in cycles.

Parsed JSON makes tens of thousands of containers a batch, none of them in a cycle. By default Python walks the young
ones whenever 700 are new, and all that were there from the start now and then: a fifth of what an event cost.
"""

from __future__ import annotations

import gc
from typing import Any

# New containers between two looks at the young ones; what outlives one of these waits for ten of them, and then again.
_YOUNG, _MIDDLE, _OLD = 50_000, 10, 10


def look_rarely(**_: Any) -> None:
    """For a process that serves until it is stopped; to be called once all is imported, which stays for good."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
