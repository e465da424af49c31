"""How a connection's subscription statuses read as recurring payment statuses."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from connections import fence, setup
from connections.forms.statuses import StatusMapForm
from connections.models import Connection
from users import audit
from users.roles import role_required


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def statuses(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Change the map; recurring payments that are held are read by it within seconds."""
    connection = get_object_or_404(Connection.objects.connected(), pk=pk)
    form = StatusMapForm(connection, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        before, after = connection.status_map, form.chosen()
        try:
            setup.change_status_map(connection, after)
        except fence.Busy as busy:
            messages.error(request, busy.message)
            form.add_error(None, busy.message)
        else:
            audit.record(request, "changed status map", connection, status_map=(before, after))
            messages.success(request, "The statuses are saved. Recurring payments follow within seconds.")
            return redirect("connections:statuses", pk=connection.pk)
    context = {"connection": connection, "form": form}
    return render(request, "connections/statuses.html", context, status=422 if form.errors else 200)
