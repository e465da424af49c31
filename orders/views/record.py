"""One order: a drawer over any page, or a page of its own."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from common.htmx import render_fragment_or_page
from contacts.views.access import may_edit
from orders import activities, display
from orders.field_order import ORDER
from orders.models import Order
from users.roles import role_required


@require_safe
@role_required("staff")
def detail(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = Order.objects.select_related("contact").with_parts()
    order = get_object_or_404(found, pk=pk)
    filled, empty = display.split(ORDER.ordered(), order)
    context = {
        "order": order,
        "items": order.items.all(),
        "filled": filled,
        "empty": empty,
        "activities": activities.of_orders([order]).order_by("-occurred_at", "-pk"),
        # Whatever a source says, only an address of the web becomes a link.
        "is_link": order.url.startswith("https://"),
        "source_url": display.source_url(order),
        "may_edit": may_edit(request),
    }
    return render_fragment_or_page(request, "orders/detail.html", "orders/_drawer.html", context)
