"""Settings: the custom fields of contacts."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from contacts import custom_fields
from contacts.forms import FieldForm
from contacts.models import CustomField
from contacts.views.access import own_address
from contacts.views.layers import Done, Layer, confirm_layer, form_layer, save_layer
from users import audit
from users.roles import role_required

PARENT = "Custom fields"


@require_safe
@role_required("marketer")
def fields(request: HttpRequest) -> HttpResponseBase:
    return render(request, "contacts/settings/fields.html", {"fields": CustomField.objects.all()})


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def create(request: HttpRequest) -> HttpResponseBase:
    """`?next=` leads back to where the field is needed, such as a mapping."""
    back = own_address(request) or reverse("contacts:fields")
    form = FieldForm(request.POST or None)
    if form.is_valid():
        field = custom_fields.add(form.save(commit=False))
        audit.record(request, "created field", field, key=field.key, type=field.type)
        messages.success(request, f"Field “{field}” created")
        return redirect(back)
    return form_layer(request, Layer("Create field", "Create field", PARENT, back, next=own_address(request)), form)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    field = get_object_or_404(CustomField, pk=pk)
    layer = Layer(f"Edit field “{field}”", "Save field", PARENT, reverse("contacts:fields"))
    done, before = Done("changed field", "Field “{}” saved"), {"label": field.label, "choices": field.choices}
    return save_layer(request, layer, FieldForm(request.POST or None, instance=field), done, **before)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    field = get_object_or_404(CustomField, pk=pk)
    if request.method == "POST":
        audit.record(request, "deleted field", field, key=field.key, contacts=custom_fields.holding(field).count())
        custom_fields.delete(field)
        messages.success(request, f"Field “{field}” deleted")
        return redirect("contacts:fields")
    sentence = f"{_held_by(field)} Mappings that fill this field leave it out from then on. This cannot be undone."
    layer = Layer(f"Delete field “{field}”?", "Delete field", PARENT, reverse("contacts:fields"), sentence)
    return confirm_layer(request, layer)


@require_POST
@role_required("marketer")
def move(request: HttpRequest, pk: int, up: bool) -> HttpResponseBase:
    custom_fields.move(get_object_or_404(CustomField, pk=pk), up=up)
    return redirect("contacts:fields")


def _held_by(field: CustomField) -> str:
    count = custom_fields.holding(field).count()
    if count == 0:
        return "No contact holds a value in it."
    return f"{'1 contact loses its' if count == 1 else f'{count:,} contacts lose their'} value in it."
