"""A queue's held messages and their holders, collected from connections and consumers, as there is no other record."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from batonmq.broker.queues.browsing import LOOK_SECONDS
from batonmq.queued import HELD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batonmq.broker.model.clients import Client
    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.queued import QueuedMessage

# The most deliveries checked in one channel, or for one consumer that has none.
LOOKS = 10_000


class HeldMessage(NamedTuple):
    """A held message."""

    queued: QueuedMessage
    client: Client | None
    """None: the consumer is in a program that embeds the broker, or shares its store."""
    channel: int | None
    """The number of the channel, or of the session."""


def find_held(vhost: VirtualHost, queue: Queue) -> Iterator[HeldMessage | None]:
    """The held messages of a queue, in no order; None: the turn's time is used up, continue in another one."""
    if not queue.unsettled:
        return
    clock = vhost.scheduler.clock
    until = clock.monotonic() + LOOK_SECONDS
    for client in list(vhost.directory.clients):
        if client.vhost != vhost.name:
            continue
        for channel, deliveries in client.held(LOOKS):
            for queued in deliveries:
                if queued.settlement is queue and queued.state == HELD:
                    yield HeldMessage(queued, client, channel)
        if clock.monotonic() > until:
            yield None
            until = clock.monotonic() + LOOK_SECONDS
    for consumer in list(queue.consumers):
        for queued in islice(consumer.holding(), LOOKS):
            if queued.settlement is queue and queued.state == HELD:
                yield HeldMessage(queued, None, None)
