"""When contacts leave an automation early, whatever step they stand at."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from automations import lifecycle
from automations.field_parameters import Conditions
from automations.forms.parameters import ParameterForm
from automations.views.drafts import found, saved, sheet, write
from common.htmx import is_fragment
from users.roles import role_required

EXITS = Conditions(
    key="exit_conditions",
    label="Leave when the contact matches",
    help="Looked at before each step. Remove all conditions to let everybody go to the end.",
    required=False,
)

_MEANWHILE = "Somebody else changed this automation meanwhile. Save again to keep your conditions."


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    automation = found(pk)
    url = reverse("automations:exits", args=[pk])
    data = request.POST if request.method == "POST" else None
    status, problems = 200, list[str]()
    form = ParameterForm((EXITS,), data, {EXITS.key: automation.exit_conditions}, url)
    if form.is_valid():
        try:
            write(request, automation, exit_conditions=form.values[EXITS.key])
        except lifecycle.ChangedMeanwhile:
            problems, automation, status = [_MEANWHILE], found(pk), 409
        else:
            return saved(request, automation, "Exit conditions saved")
    elif data is not None and not form.acted:
        status = 422
    fragment = "_exits_form" if data is not None and is_fragment(request) else "_exits"
    context = {"form": form, "problems": problems, "url": url}
    return sheet(request, automation, f"automations/{fragment}.html", context, status=status)
