"""All recurring payments: filtered, sorted, exported."""

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
from recurring_payments import export
from recurring_payments.filters import RecurringPaymentFilter, ordering
from recurring_payments.models import RecurringPayment
from users import audit
from users.roles import role_required

PAGE = 50
# Asked for by themselves: in the same query they would be looked up before the rows are sorted, for all of them.
PEOPLE = Contact.objects.only("email", "first_name", "last_name")
# What a row of the table needs; a whole row is twenty times as much.
SHOWN = (
    "name",
    "email",
    "source",
    "account",
    "is_test",
    "store_recurring_payment_id",
    "normalized_status",
    "store_status",
    "is_trial",
    "cancel_at_period_end",
    "billing_interval",
    "billing_interval_count",
    "currency",
    "payment_amount",
    "next_payment_date",
    "start_date",
    "contact",
)


def listed(asked: QueryDict) -> tuple[RecurringPaymentFilter, str, QuerySet[RecurringPayment]]:
    """The filter, the sort in force, and all rows of the list in its order."""
    found = RecurringPaymentFilter(asked, queryset=RecurringPayment.objects.all())
    sort, order = ordering(asked.get("sort", ""), by_product=bool(asked.get("product")))
    return found, sort, found.qs.order_by(*order).only(*SHOWN).prefetch_related(Prefetch("contact", PEOPLE))


@require_safe
@role_required("staff")
def recurring_payments(request: HttpRequest) -> HttpResponseBase:
    found, sort, rows = listed(request.GET)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    context = {"filter": found, "sort": sort, "page": page, "may_edit": may_edit(request)}
    response = render_fragment_or_page(
        request, "recurring_payments/list.html", "recurring_payments/_table.html", context
    )
    if is_fragment(request):
        trigger(response, "announce", message=_told(page.paginator.count))
    return response


@require_POST
@role_required("marketer")
def export_recurring_payments(request: HttpRequest) -> HttpResponseBase:
    """The list as it is filtered now, as CSV. POST, because the export is written down."""
    found = RecurringPaymentFilter(request.GET, queryset=RecurringPayment.objects.all()).qs
    audit.record(request, "exported recurring payments", _told(found.count()), filter=request.GET.urlencode())
    lines = csv_lines(export.recurring_payment_rows(found), export.COLUMNS)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    name = f"recurring-payments-{timezone.localdate():%Y-%m-%d}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _told(count: int) -> str:
    return "1 recurring payment" if count == 1 else f"{count:,} recurring payments"
