"""`/health/`: whether the database answers and work is being done, for a monitor that cannot sign in."""

from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from common import health


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return "away"
    return health.OK


@require_safe
@never_cache
@login_not_required
def check(request: HttpRequest) -> JsonResponse:
    """200 or 503 with {"status": "ok"|"failing", "checks": {name: "ok" or what is wrong}}."""
    checks = {"database": _database()}
    if checks["database"] == health.OK:
        checks |= health.queue_checks()
    failing = any(result != health.OK for result in checks.values())
    return JsonResponse({"status": "failing" if failing else "ok", "checks": checks}, status=503 if failing else 200)
