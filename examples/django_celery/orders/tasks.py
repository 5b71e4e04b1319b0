"""What a worker does for orders."""

from __future__ import annotations

from celery import shared_task

from orders.models import Order


@shared_task
def confirm(order_id: int) -> str:
    """Confirm an order. It may run twice, and then does the same again."""
    order = Order.objects.get(pk=order_id)
    order.confirmed = order.count
    order.save()
    return f"order {order.pk} of {order.customer}: {order.confirmed} confirmed"
