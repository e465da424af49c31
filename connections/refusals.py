"""What the database's refusals mean: something that passes, or something that trying again will meet again."""

from __future__ import annotations

from django.db import OperationalError

# SQLSTATEs of OperationalError that are the rows' own doing: statement_timeout, and what is too large for a row or
# an index. All others (deadlocks, locks, a database that is away or full) pass.
_OWN_DOING = ("57014", "54")


def is_own_doing(error: Exception) -> bool:
    """Does an OperationalError come from the rows themselves?"""
    return (getattr(error.__cause__, "sqlstate", None) or "").startswith(_OWN_DOING)


def passes(error: Exception) -> bool:
    """Is it nobody's failure, and over soon?"""
    return isinstance(error, OperationalError) and not is_own_doing(error)
