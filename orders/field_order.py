"""The order of an order's fields. The card on a contact shows the first two, the details all of them."""

from __future__ import annotations

from common.field_order import OrderedFields
from orders.fields import FIELDS

ORDER = OrderedFields("orders", FIELDS, first=(), on_contact=2)
