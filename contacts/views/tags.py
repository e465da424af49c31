"""Settings: the tags of all contacts."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from contacts.forms import RESERVED, TagForm
from contacts.models import Tag
from contacts.views.layers import Layer, confirm_layer, form_layer
from users import audit
from users.roles import role_required

PAGE = 50
PARENT = "Tags"


@require_safe
@role_required("marketer")
def tags(request: HttpRequest) -> HttpResponseBase:
    counted = Tag.objects.annotate(size=Count("contacttag")).order_by("name")
    page = Paginator(counted, PAGE).get_page(request.GET.get("page"))
    return render(request, "contacts/settings/tags.html", {"page": page, "reserved": RESERVED})


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def rename(request: HttpRequest, pk: int) -> HttpResponseBase:
    tag = get_object_or_404(Tag, pk=pk)
    before = tag.name
    if before.startswith(RESERVED):
        raise PermissionDenied("The Stripe integration made this tag and would make it again.")
    form = TagForm(request.POST or None, instance=tag)
    if form.is_valid():
        form.save()
        audit.record(request, "renamed tag", tag, name=(before, tag.name))
        messages.success(request, f"Tag renamed to “{tag}”")
        return redirect("contacts:tags")
    return form_layer(request, Layer(f"Rename tag “{before}”", "Rename tag", PARENT, reverse("contacts:tags")), form)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    tag = get_object_or_404(Tag, pk=pk)
    count = tag.contacts.count()
    if request.method == "POST":
        audit.record(request, "deleted tag", tag, contacts=count)
        tag.delete()
        messages.success(request, f"Tag “{tag}” deleted")
        return redirect("contacts:tags")
    carriers = (
        "No contact has it." if count == 0 else f"{count:,} {'contact loses' if count == 1 else 'contacts lose'} it."
    )
    if tag.name.startswith(RESERVED):
        carriers += " The Stripe integration makes it again with its next event."
    return confirm_layer(
        request, Layer(f"Delete tag “{tag}”?", "Delete tag", PARENT, reverse("contacts:tags"), carriers)
    )
