"""What people did. For admins."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from users.models import AuditEntry
from users.roles import role_required

PAGE_SIZE = 50


@require_safe
@never_cache
@role_required("admin")
def audit_log(request: HttpRequest) -> HttpResponseBase:
    """Newest first, paged by key: `?before=ID` continues below that entry."""
    entries = AuditEntry.objects.all()
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        entries = entries.filter(pk__lt=int(before))
    page = list(entries[: PAGE_SIZE + 1])
    older = page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None
    return render(
        request, "users/audit_log.html", {"entries": page[:PAGE_SIZE], "older": older, "is_first": not before}
    )
