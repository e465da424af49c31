"""Settings: the lists that contacts join."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from contacts.forms import ListForm
from contacts.models import ContactList
from contacts.views.layers import Layer, confirm_layer, form_layer
from users import audit
from users.roles import role_required

PARENT = "Lists"


@require_safe
@role_required("marketer")
def lists(request: HttpRequest) -> HttpResponseBase:
    counted = ContactList.objects.annotate(size=Count("listmembership")).order_by("name")
    return render(request, "contacts/settings/lists.html", {"lists": counted})


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def create(request: HttpRequest) -> HttpResponseBase:
    form = ListForm(request.POST or None)
    if form.is_valid():
        audit.record(request, "created list", form.save())
        messages.success(request, f"List “{form.instance}” created")
        return redirect("contacts:lists")
    return form_layer(request, Layer("Create list", "Create list", PARENT, reverse("contacts:lists")), form)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    one = get_object_or_404(ContactList, pk=pk)
    before = one.name
    form = ListForm(request.POST or None, instance=one)
    if form.is_valid():
        form.save()
        audit.record(request, "changed list", one, name=(before, one.name))
        messages.success(request, f"List “{one}” saved")
        return redirect("contacts:lists")
    return form_layer(request, Layer(f"Edit list “{before}”", "Save list", PARENT, reverse("contacts:lists")), form)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    one = get_object_or_404(ContactList, pk=pk)
    count = one.contacts.count()
    if request.method == "POST":
        audit.record(request, "deleted list", one, contacts=count)
        one.delete()
        messages.success(request, f"List “{one}” deleted")
        return redirect("contacts:lists")
    members = (
        "Nobody is on it." if count == 0 else f"{count:,} {'contact leaves' if count == 1 else 'contacts leave'} it."
    )
    layer = Layer(
        f"Delete list “{one}”?", "Delete list", PARENT, reverse("contacts:lists"), f"{members} The contacts stay."
    )
    return confirm_layer(request, layer)
