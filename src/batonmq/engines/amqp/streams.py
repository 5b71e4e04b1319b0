"""RabbitMQ's streams, which are no queues: what is taken from them stays there, and nothing can be given back.

AMQP 0-9-1 has no question about the type of a queue. But each type refuses arguments of basic.consume that it does not
know (seen in 3.10 and 4.3): a stream the priority of a consumer, and a queue the offset to begin at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pika.channel import Channel

from batonmq.engines.amqp.link import Link
from batonmq.engines.futures import Future
from batonmq.errors import BatonError, PreconditionFailed, UnsupportedFeature

__all__ = ["CONSUMER_ARGUMENTS", "refused_by_stream", "unless_stream"]

# The priority that every consumer has (0), said aloud.
CONSUMER_ARGUMENTS = {"x-priority": 0}


def refused_by_stream(error: BatonError, queue: str) -> BatonError:
    """Why a consumer with these arguments was refused, said so that it can be understood where it was by a stream."""
    if isinstance(error, PreconditionFailed) and "rabbit_stream_queue" in str(error):
        return _unsupported(queue)
    return error


def unless_stream(link: Link, queue: str, then: Callable[[], None], future: Future[Any]) -> None:
    """Have this done to a queue, which would cost a stream's client its whole connection; or fail with a clear word.

    In the connection's thread.
    """
    if not link.product.is_rabbitmq(3, 9):
        then()
        return

    def opened(channel: Channel) -> None:
        def consuming(_frame: object) -> None:
            future.fail(_unsupported(queue))
            channel.close()

        # A stream would begin with what comes after this, and the channel is gone before that is read.
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(queue, lambda *_delivery: None, arguments={"x-stream-offset": "next"}, callback=consuming)

    def closed(_error: BatonError) -> None:
        if not future.done:
            then()

    link.channel(opened, closed)


def _unsupported(queue: str) -> UnsupportedFeature:
    return UnsupportedFeature(f"amqp: '{queue}' is a stream of RabbitMQ, and receiving is for queues")
