"""RabbitMQ's streams, which are not queues: received messages stay there, and nothing can be given back.

AMQP 0-9-1 cannot ask for the type of a queue. But each type refuses arguments of basic.consume that it does not know
(seen in 3.10 and 4.3): a stream refuses a consumer priority, and a queue refuses a start offset.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pika.channel import Channel

from batonmq.engines.amqp.link import Link
from batonmq.engines.futures import Future
from batonmq.errors import BatonError, PreconditionFailed, UnsupportedFeature

__all__ = ["CONSUMER_ARGUMENTS", "refused_by_stream", "unless_stream"]

# The default priority of a consumer (0), stated explicitly.
CONSUMER_ARGUMENTS = {"x-priority": 0}


def refused_by_stream(error: BatonError, queue: str) -> BatonError:
    """Why a consumer with these arguments was refused, with a clear error if a stream refused it."""
    if isinstance(error, PreconditionFailed) and "rabbit_stream_queue" in str(error):
        return _unsupported(queue)
    return error


def unless_stream(link: Link, queue: str, then: Callable[[], None], future: Future[Any]) -> None:
    """Run an operation on a queue, or fail with a clear error if it is a stream.

    On a stream it would cost the whole connection. In the connection's thread.
    """
    if not link.product.is_rabbitmq(3, 9):
        then()
        return

    def opened(channel: Channel) -> None:
        def consuming(_frame: object) -> None:
            future.fail(_unsupported(queue))
            channel.close()

        # A stream would start with later messages, and the channel is closed before any is read.
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(queue, lambda *_delivery: None, arguments={"x-stream-offset": "next"}, callback=consuming)

    def closed(_error: BatonError) -> None:
        if not future.done:
            then()

    link.channel(opened, closed)


def _unsupported(queue: str) -> UnsupportedFeature:
    return UnsupportedFeature(f"amqp: '{queue}' is a stream of RabbitMQ, and receiving is for queues")
