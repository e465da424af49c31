"""Who gets no mail any more, and the one place where that is asked before a mail leaves."""

from __future__ import annotations

from django.db import connection, transaction

from campaigns.models import Mail, Suppression
from users.models import User

# Any number nobody else locks by.
_LOCK = 7_310_531


def suppress(
    email_key: str, reason: str, *, mail: Mail | None = None, by: User | None = None, detail: str = ""
) -> bool:
    """From this commit on no mail is handed over for the address. False if it was suppressed already."""
    with transaction.atomic():
        hold(email_key, exclusive=True)
        _, is_new = Suppression.objects.get_or_create(
            email_key=email_key, defaults={"reason": reason, "mail": mail, "by": by, "detail": detail[:500]}
        )
    return is_new


def allow_again(email_key: str) -> bool:
    """Whether there was a suppression to take away."""
    with transaction.atomic():
        hold(email_key, exclusive=True)
        return bool(Suppression.objects.filter(email_key=email_key).delete()[0])


def hold(email_key: str, *, exclusive: bool = False) -> None:
    """Until the transaction ends nobody changes whether this address gets mail.

    Without it an unsubscribe could commit between the question and the commit of `handed_at`.
    """
    name = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(f"select {name}(%s, hashtext(%s))", [_LOCK, email_key])
