"""One recurring payment with all of its fields: a drawer over any page, or a page of its own."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from common.htmx import render_fragment_or_page
from contacts.views.access import may_edit
from recurring_payments.display import split
from recurring_payments.field_order import ORDER
from recurring_payments.models import RecurringPayment
from users.roles import role_required


@require_safe
@role_required("staff")
def detail(request: HttpRequest, pk: int) -> HttpResponseBase:
    payment = get_object_or_404(RecurringPayment.objects.select_related("contact"), pk=pk)
    filled, empty = split(ORDER.ordered(), payment)
    context = {"payment": payment, "filled": filled, "empty": empty, "may_edit": may_edit(request)}
    return render_fragment_or_page(
        request, "recurring_payments/detail.html", "recurring_payments/_drawer.html", context
    )
