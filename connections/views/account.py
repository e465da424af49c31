"""What people do to a connected account: disconnect it, change its key, mend its webhook."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.htmx import is_fragment, render_fragment_or_page, target_id
from connections import api, checks, fence, polling, reconcile, setup, webhooks
from connections.forms.key import KeyForm
from connections.models import Connection
from connections.sources.base import SourceError
from users import audit
from users.roles import role_required

# People wait for this list; workers may be more patient.
_PATIENCE_SECONDS = 5
STRIPES_LIMIT = 16


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("admin")
def disconnect(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask first, then end the connection. Everything synced stays."""
    connection = _connected(pk)
    if request.method != "POST":
        context = {"connection": connection}
        return render_fragment_or_page(request, "connections/disconnect.html", "connections/_disconnect.html", context)
    try:
        left_behind = setup.disconnect(connection)
    except fence.Busy as busy:
        messages.error(request, busy.message)
        return redirect("connections:app")
    audit.record(request, "disconnected account", connection)
    messages.success(request, f"{connection.name} is disconnected. Everything synced before is still here.")
    if left_behind:
        messages.warning(request, left_behind)
    return redirect("connections:app")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@role_required("admin")
def replace_key(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Another key of the same account. Refused ones are explained beside the field."""
    connection = _connected(pk)
    form = KeyForm(connection, request.POST or None)
    if request.method == "POST" and form.is_valid():
        audit.record(request, "replaced key", connection, key=(connection.key_hint, form.replaced.key_hint))
        # The new key may do what the old one could not.
        checks.check(form.replaced)
        polling.soon(form.replaced)
        messages.success(request, f"The key of {connection.name} is replaced.")
        return redirect("connections:app")
    context = {"connection": connection, "form": form}
    fragment = "connections/_key_form.html" if target_id(request) == "key-form" else "connections/_replace_key.html"
    return render_fragment_or_page(
        request, "connections/replace_key.html", fragment, context, status=422 if form.errors else 200
    )


@require_POST
@role_required("marketer")
def repair(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Bring the webhook endpoint at Stripe in step again, now."""
    connection = _connected(pk)
    error = checks.try_webhook(connection)
    audit.record(request, "repaired webhook", connection, error=error)
    if error:
        messages.error(request, error)
    elif connection.polls:
        messages.info(request, f"{connection.name} still polls. {connection.endpoint_error}".strip())
    elif connection.unproven_since:
        messages.success(
            request,
            f"Stripe takes the webhook of {connection.name}. Until something arrives by it, Millrace goes on asking.",
        )
    else:
        messages.success(request, f"The webhook of {connection.name} is in step with Stripe.")
    return redirect("connections:webhooks")


@require_POST
@role_required("marketer")
def poll_now(request: HttpRequest, pk: int) -> HttpResponseBase:
    connection = _connected(pk)
    polling.soon(connection)
    messages.success(request, f"Millrace asks Stripe for the events of {connection.name} now.")
    return redirect("connections:webhooks")


@require_POST
@role_required("marketer")
def read_again(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Somebody gave the key more rights at Stripe: look, and read what was refused."""
    connection = _connected(pk)
    try:
        count = setup.look_at_rights(connection)
    except SourceError as error:
        api.note(connection, error)
        messages.error(request, error.message)
        return redirect("connections:app")
    audit.record(request, "read refused objects again", connection)
    if count:
        messages.success(request, f"Millrace reads what it could not read of {connection.name} again now.")
    else:
        messages.info(request, f"Millrace looked at what the key of {connection.name} may read. Nothing waits for it.")
    return redirect("connections:app")


@require_POST
@role_required("marketer")
def check_now(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Compare what Millrace holds with what Stripe lists."""
    connection = get_object_or_404(Connection.objects.usable(), pk=pk)
    if not reconcile.start(connection, user=request.user):
        messages.info(request, f"{connection.name} has no resource, so there is nothing to compare.")
        return redirect("connections:webhooks")
    audit.record(request, "started check", connection)
    messages.success(request, f"Millrace compares {connection.name} with Stripe now. You can leave this page.")
    return redirect("connections:webhooks")


@require_safe
@role_required("marketer")
def endpoints(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Every webhook endpoint the account has at Stripe, asked for now."""
    connection = _connected(pk)
    context: dict[str, object] = {"connection": connection, "limit": STRIPES_LIMIT}
    try:
        context["endpoints"] = webhooks.listed(api.client_of(connection, read_seconds=_PATIENCE_SECONDS))
    except SourceError as error:
        context["error"] = error.message
    if is_fragment(request):
        return render(request, "connections/_endpoints.html", context)
    return render(request, "connections/endpoints.html", context)


def _connected(pk: int) -> Connection:
    return get_object_or_404(Connection.objects.connected().select_related("status"), pk=pk)
