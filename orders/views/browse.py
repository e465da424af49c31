"""All orders: filtered, sorted, exported."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from common.htmx import is_fragment, render_fragment_or_page, trigger
from common.spreadsheet import csv_lines
from contacts.models import Contact
from contacts.views.access import may_edit
from orders import export
from orders.filters import OrderFilter, ordering
from orders.models import Order
from users import audit
from users.roles import role_required

PAGE = 50
# What a row says of its contact: the reasons behind a contact's values are the larger part of it. In the same query as
# the orders they would be looked up before the rows are sorted, for all of them.
PEOPLE = Contact.objects.only("email", "first_name", "last_name", "is_test")


def listed(asked: QueryDict) -> tuple[OrderFilter, str, QuerySet[Order]]:
    """The filter, the sort in force, and all rows of the list in its order."""
    found = OrderFilter(asked, queryset=Order.objects.all())
    sort, order = ordering(asked.get("sort", ""))
    return found, sort, found.qs.order_by(*order).prefetch_related(Prefetch("contact", PEOPLE))


@require_safe
@role_required("staff")
def orders(request: HttpRequest) -> HttpResponseBase:
    found, sort, rows = listed(request.GET)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    context = {"filter": found, "sort": sort, "page": page, "may_edit": may_edit(request)}
    response = render_fragment_or_page(request, "orders/list.html", "orders/_table.html", context)
    if is_fragment(request):
        trigger(response, "announce", message=_told(page.paginator.count))
    return response


@require_POST
@role_required("marketer")
def export_orders(request: HttpRequest) -> HttpResponseBase:
    """The list as it is filtered now, as CSV. POST, because the export is written down."""
    found = OrderFilter(request.GET, queryset=Order.objects.all()).qs
    audit.record(request, "exported orders", _told(found.count()), filter=request.GET.urlencode())
    lines = csv_lines(map(export.flat_order, export.order_rows(found)), export.COLUMNS)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="orders-{timezone.localdate():%Y-%m-%d}.csv"'
    return response


def _told(count: int) -> str:
    return "1 order" if count == 1 else f"{count:,} orders"
