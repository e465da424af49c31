"""Small pieces of the pages of orders."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from common.formats import money_text
from common.record_fields import source_name as source_name_of
from common.templatetags.ui import badge
from orders import display
from orders.models import Order, OrderItem

register = template.Library()


@register.simple_tag
def status_badge(order: Order) -> SafeString:
    return badge(*display.status_badge(order))


@register.filter
def money(minor: int, currency: str) -> str:
    """`{{ order.total|money:order.currency }}`: «€49.00»."""
    return money_text(minor, currency)


@register.filter
def source_name(order: Order) -> str:
    return source_name_of(order.source)


@register.filter
def says_its_number(item: OrderItem) -> bool:
    """Whether the quantity need not be added: it is one, or Stripe wrote it into the name («2 × Pro plan»)."""
    return item.quantity == 1 or item.name.startswith(f"{item.quantity} ×")
