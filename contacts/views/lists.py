"""Settings: the lists that contacts join."""

from __future__ import annotations

from django.db.models import Count
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from contacts.forms import ListForm
from contacts.models import ContactList
from contacts.views.layers import Done, Layer, delete_layer, save_layer
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
    layer = Layer("Create list", "Create list", PARENT, reverse("contacts:lists"))
    return save_layer(request, layer, ListForm(request.POST or None), Done("created list", "List “{}” created"))


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    one = get_object_or_404(ContactList, pk=pk)
    layer = Layer(f"Edit list “{one}”", "Save list", PARENT, reverse("contacts:lists"))
    form = ListForm(request.POST or None, instance=one)
    return save_layer(request, layer, form, Done("changed list", "List “{}” saved"), name=one.name)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    one = get_object_or_404(ContactList, pk=pk)
    count = one.contacts.count()
    members = (
        "Nobody is on it." if count == 0 else f"{count:,} {'contact leaves' if count == 1 else 'contacts leave'} it."
    )
    layer = Layer(
        f"Delete list “{one}”?", "Delete list", PARENT, reverse("contacts:lists"), f"{members} The contacts stay."
    )
    return delete_layer(request, layer, one, Done("deleted list", "List “{}” deleted"), contacts=count)
