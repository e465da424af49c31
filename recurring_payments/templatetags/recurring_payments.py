"""Small pieces of the pages of recurring payments."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from common.record_fields import source_name as source_name_of
from common.templatetags.ui import badge
from recurring_payments import display
from recurring_payments.models import RecurringPayment

register = template.Library()


@register.simple_tag
def status_badge(row: RecurringPayment) -> SafeString:
    return badge(*display.status_badge(row))


@register.filter
def amount(row: RecurringPayment) -> str:
    return display.amount(row)


@register.filter
def per(row: RecurringPayment) -> str:
    return display.per(row)


@register.filter
def source_name(row: RecurringPayment) -> str:
    return source_name_of(row.source)


@register.filter
def source_url(row: RecurringPayment) -> str:
    return display.source_url(row)
