"""The counters of virtual hosts and of the broker: sums over queues, exchanges and connections, taken in slices."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import add
from typing import TYPE_CHECKING, Final

from batonmq.broker.model.counters import ExchangeCounters
from batonmq.management.slices import sliced
from batonmq.management.statistics.kinds import (
    QUEUE,
    VHOST,
    read_churn,
    read_exchange,
    read_octets,
    read_of_deleted,
    read_queue,
)

if TYPE_CHECKING:
    from batonmq.broker.model.clients import Client
    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.routing.exchanges import Exchange
    from batonmq.broker.vhosts.broker import Broker
    from batonmq.broker.vhosts.vhost import VirtualHost

__all__ = ["ObjectTotals", "Seen", "Totals", "take_totals"]

_LENGTHS: Final = 2
_PUBLISH: Final = QUEUE.place("publish")


@dataclass(slots=True)
class ObjectTotals:
    """How many there are of each kind of object."""

    queues: int = 0
    exchanges: int = 0
    connections: int = 0
    channels: int = 0
    consumers: int = 0

    def listed(self) -> dict[str, int]:
        """The numbers by name."""
        return {
            "queues": self.queues,
            "exchanges": self.exchanges,
            "connections": self.connections,
            "channels": self.channels,
            "consumers": self.consumers,
        }

    def add(self, other: ObjectTotals) -> None:
        """Add the other's numbers to these."""
        self.queues += other.queues
        self.exchanges += other.exchanges
        self.connections += other.connections
        self.channels += other.channels
        self.consumers += other.consumers


@dataclass(slots=True)
class Totals:
    """The counters of all virtual hosts, by name, and of the broker, in the order of ``VHOST`` and ``BROKER``."""

    vhosts: dict[str, tuple[int, ...]] = field(default_factory=dict)
    objects: dict[str, ObjectTotals] = field(default_factory=dict)
    broker: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """The number of queues, exchanges and connections included."""
        return sum(one.queues + one.exchanges + one.connections for one in self.objects.values())


class Seen:
    """Told of each object whose counters are read for the totals."""

    def queue(self, queue: Queue, values: tuple[int, ...]) -> None:
        """A queue, with its counters."""

    def exchange(self, exchange: Exchange, values: tuple[int, ...]) -> None:
        """An exchange, with its counters."""

    def client(self, client: Client, values: tuple[int, int]) -> None:
        """A connection, with its received and sent octets."""


async def take_totals(broker: Broker, seen: Seen) -> Totals:
    """Read all counters; each object is shown to ``seen``. Of ten thousand queues it takes some 50 ms, in slices."""
    totals = Totals()
    for vhost in list(broker.vhosts.values()):
        objects = totals.objects[vhost.name] = ObjectTotals()
        totals.vhosts[vhost.name] = await _of_vhost(vhost, objects, seen)
    await _add_clients(broker, totals, seen)
    sums = [0] * len(VHOST.columns)
    for values in totals.vhosts.values():
        sums = list(map(add, sums, values))
    totals.broker = (*sums, *read_churn(broker.clients.churn))
    return totals


async def _of_vhost(vhost: VirtualHost, objects: ObjectTotals, seen: Seen) -> tuple[int, ...]:
    # Both at once: a queue deleted after this is in the list, not among the deleted ones.
    queues = list(vhost.queues.values())
    sums = list(read_of_deleted(vhost.of_deleted))
    objects.queues = len(queues)
    async for queue in sliced(queues):
        values = read_queue(queue)
        seen.queue(queue, values)
        objects.consumers += len(queue.consumers)
        sums = list(map(add, sums, values))
    exchanges = list(vhost.router.exchanges.values())
    published = ExchangeCounters()
    published.add(vhost.router.of_deleted)
    objects.exchanges = len(exchanges)
    async for exchange in sliced(exchanges):
        seen.exchange(exchange, read_exchange(exchange))
        published.add(exchange.counters)
    # A queue's "publish" is any message that entered it.
    deliveries = sums[_PUBLISH + 1 :]
    return (*sums[:_LENGTHS], *deliveries, published.published, 0, published.returned, published.dropped, 0, 0)


async def _add_clients(broker: Broker, totals: Totals, seen: Seen) -> None:
    """Add what only connections count: confirms, and octets."""
    counted: dict[str, list[int]] = {
        vhost: [gone.get(name, 0) for name in ("confirmed", "recv_oct", "send_oct")]
        for vhost in totals.vhosts
        for gone in (broker.clients.counts_of_gone(vhost),)
    }
    async for client in sliced(list(broker.clients)):
        octets = read_octets(client)
        seen.client(client, octets)
        found = counted.get(client.vhost)
        if found is None:
            continue
        objects = totals.objects[client.vhost]
        objects.connections += 1
        objects.channels += client.channel_count
        found[0] += client.counts.listed().get("confirmed", 0)
        found[1] += octets[0]
        found[2] += octets[1]
    places = [VHOST.place(name) for name in ("confirm", "recv_oct", "send_oct")]
    for vhost, numbers in counted.items():
        values = list(totals.vhosts[vhost])
        for place, number in zip(places, numbers, strict=True):
            values[place] += number
        totals.vhosts[vhost] = tuple(values)
