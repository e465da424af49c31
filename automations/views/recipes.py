"""Ready-made automations to begin with (B054)."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from automations import checking, picture
from automations.declarations import trigger
from automations.recipes import RECIPES, make, recipe
from automations.recipes.recipe import Recipe
from contacts.views.access import may_edit
from users import audit
from users.roles import require, role_required


@require_safe
@role_required("staff")
def recipes(request: HttpRequest) -> HttpResponseBase:
    context = {"recipes": [_card(one) for one in RECIPES], "may_edit": may_edit(request)}
    return render(request, "automations/recipes.html", context)


@require_POST
@role_required("marketer")
def use(request: HttpRequest, key: str) -> HttpResponseBase:
    """A draft of its own; what is still to choose is marked in its flow."""
    chosen = recipe(key)
    if chosen is None:
        raise Http404
    made = make(chosen, require(request, "marketer"))
    audit.record(request, "created automation", made, recipe=chosen.key)
    missing = len(checking.problems(made))
    rest = f" {missing} thing{'' if missing == 1 else 's'} to choose is marked below." if missing else ""
    messages.success(request, f"“{made}” is a draft of yours.{rest} Change what you like, then activate it.")
    return redirect(made)


def _card(one: Recipe) -> dict[str, object]:
    declared = trigger(one.trigger["key"])
    return {
        "recipe": one,
        "starts": picture.in_words([one.trigger]),
        "missing": declared.unavailable() if declared else "",
    }
