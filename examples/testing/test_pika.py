"""Code that uses pika, tested against a real broker in the test's own process."""

from __future__ import annotations

import pika
from pika.adapters.blocking_connection import BlockingChannel

from batonmq.testing import MovableClock, RunningServer


def place_order(channel: BlockingChannel, number: int) -> None:
    """What is to be tested: an order that nobody takes within an hour is a late one."""
    late = {"x-message-ttl": 3_600_000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.late"}
    channel.queue_declare("orders", durable=True, arguments=late)
    channel.queue_declare("orders.late", durable=True)
    channel.basic_publish("", "orders", str(number).encode(), pika.BasicProperties(delivery_mode=2))


def test_an_order_that_nobody_takes_is_late_after_an_hour(
    baton_server: RunningServer, baton_clock: MovableClock
) -> None:
    with pika.BlockingConnection(pika.URLParameters(baton_server.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        place_order(channel, 17)
        baton_clock.advance(3601)
        _, _, body = channel.basic_get("orders.late", auto_ack=True)
    assert body == b"17"
