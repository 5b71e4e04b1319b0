"""What the shop's pages do with orders."""

from __future__ import annotations

from django.db import transaction

from orders.models import Order
from orders.tasks import confirm


def place(customer: str, count: int) -> Order:
    """Store an order, and have it confirmed once it is stored."""
    with transaction.atomic():
        order = Order.objects.create(customer=customer, count=count)
        confirm.delay_on_commit(order.pk)
    return order
