"""Settings: the tags of all contacts."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from contacts import tagging
from contacts.forms import RESERVED, TagForm
from contacts.models import Tag
from contacts.views.layers import Done, Layer, delete_layer, save_layer
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
@transaction.atomic
def rename(request: HttpRequest, pk: int) -> HttpResponseBase:
    tag = get_object_or_404(Tag, pk=pk)
    if tag.name.startswith(RESERVED):
        raise PermissionDenied("The Stripe integration made this tag and would make it again.")
    layer = Layer(f"Rename tag “{tag}”", "Rename tag", PARENT, reverse("contacts:tags"))
    form, before = TagForm(request.POST or None, instance=tag), tag.name
    response = save_layer(request, layer, form, Done("renamed tag", "Tag renamed to “{}”"), name=before)
    if form.is_valid() and tag.name != before:
        tagging.renamed(before, tag.name)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("marketer")
def delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    tag = get_object_or_404(Tag, pk=pk)
    count = tag.contacts.count()
    carriers = (
        "No contact has it." if count == 0 else f"{count:,} {'contact loses' if count == 1 else 'contacts lose'} it."
    )
    if tag.name.startswith(RESERVED):
        carriers += " The Stripe integration makes it again with its next event."
    layer = Layer(f"Delete tag “{tag}”?", "Delete tag", PARENT, reverse("contacts:tags"), carriers)
    return delete_layer(request, layer, tag, Done("deleted tag", "Tag “{}” deleted"), contacts=count)
