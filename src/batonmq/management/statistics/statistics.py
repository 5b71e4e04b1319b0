"""Samples all counters every few seconds, in slices that delay no message.

A pass reads ten thousand queues in some 50 ms of the loop's time, 1 ms at most at once. What is gone when a pass is
over is forgotten with its samples.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Final

from batonmq.management.slices import sliced
from batonmq.management.statistics.kinds import (
    BROKER,
    CHANNEL,
    CONNECTION,
    EXCHANGE,
    NODE,
    QUEUE,
    VHOST,
    Kind,
    read_counts,
    read_exchange,
    read_octets,
    read_queue,
)
from batonmq.management.statistics.process import Usage, usage
from batonmq.management.statistics.rings import SAMPLE_SECONDS
from batonmq.management.statistics.series import Series
from batonmq.management.statistics.shown import Figures
from batonmq.management.statistics.totals import Seen, Totals, take_totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from batonmq.broker.model.channels import Counted
    from batonmq.broker.model.clients import Client
    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.routing.exchanges import Exchange
    from batonmq.broker.vhosts.broker import Broker

__all__ = ["Statistics"]

logger = logging.getLogger("batonmq.management")

# Totals are cached for this many times the time it took to compute them, so that they cost at most 1 %.
WORTH: Final = 100
# The totals over fewer queues, exchanges and connections than this are computed each time.
MANY: Final = 1_000
# When the clock goes back this far, all samples start over; if it is less, they wait until it has caught up.
BACK_TICKS: Final = 12


class Statistics:
    """The samples of one broker, and its current counters."""

    def __init__(self, broker: Broker, data: Path) -> None:
        """``data`` is where the broker's files are."""
        self._broker = broker
        self._data = data
        self._task: asyncio.Task[None] | None = None
        self.tick = 0
        """The tick of the last samples; 0: there are none yet."""
        self._samples = _Samples()
        self._vhosts: dict[str, Series] = {}
        self._whole: dict[Kind, Series] = {}
        self._totals = Totals()
        self._totals_at = 0.0
        self._totals_took = 0.0

    # ------------------------------------------------------------------ taking samples

    def start(self) -> None:
        """Start sampling, on the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="batonmq-statistics")

    async def stop(self) -> None:
        """Stop sampling."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.sample()
            except Exception:
                logger.exception("taking samples of counters failed")
            now = self._broker.clock.time()
            await asyncio.sleep(SAMPLE_SECONDS - now % SAMPLE_SECONDS)

    async def sample(self) -> None:
        """Take one sample of everything, unless there is one for this time already."""
        tick = int(self._broker.clock.time() // SAMPLE_SECONDS)
        if tick <= self.tick:
            if self.tick - tick < BACK_TICKS:
                return
            self._forget_all()
        now = _Tick(tick, is_first=self.tick == 0)
        fresh = _Pass(self._samples, now)
        totals = await self._take(fresh)
        async for client in sliced(list(self._broker.clients)):
            for number in client.channel_numbers():
                status = client.channel(number)
                if status is not None:
                    fresh.channel(status.counts)
        vhosts = {name: now.written(self._vhosts.get(name), VHOST, values) for name, values in totals.vhosts.items()}
        for kind, values in ((BROKER, totals.broker), (NODE, self.node())):
            self._whole[kind] = now.written(self._whole.get(kind), kind, values)
        self._samples, self._vhosts = fresh.found, vhosts
        self.tick = tick

    def _forget_all(self) -> None:
        self._samples, self._vhosts, self._whole = _Samples(), {}, {}
        self.tick = 0

    async def _take(self, seen: Seen) -> Totals:
        began = perf_counter()
        totals = await take_totals(self._broker, seen)
        # This includes other work of the loop: under load they may be older.
        self._totals, self._totals_at = totals, perf_counter()
        self._totals_took = self._totals_at - began
        return totals

    # ------------------------------------------------------------------ what there is now

    async def totals(self) -> Totals:
        """The sums of all virtual hosts. With many queues they may be some seconds old."""
        age = perf_counter() - self._totals_at
        if self._totals.size < MANY or age > min(WORTH * self._totals_took, SAMPLE_SECONDS):
            await self._take(Seen())
        return self._totals

    def node(self) -> tuple[int, ...]:
        """The resources used by the process, in the order of ``NODE``."""
        used = self.usage()
        return (
            used.memory,
            used.files,
            len(self._broker.clients),
            used.threads,
            used.disk_free,
            used.collections,
            used.context_switches,
            used.cpu_ms,
        )

    def usage(self) -> Usage:
        """The resources used by the process."""
        return usage(self._data)

    # ------------------------------------------------------------------ counters with their samples

    def queue(self, queue: Queue) -> Figures:
        """The counters of a queue."""
        return Figures(QUEUE, read_queue(queue), _of(self._samples.queues.get(queue)), self.tick)

    def exchange(self, exchange: Exchange) -> Figures:
        """The counters of an exchange."""
        return Figures(EXCHANGE, read_exchange(exchange), _of(self._samples.exchanges.get(exchange)), self.tick)

    def connection(self, client: Client) -> Figures:
        """The octets of a connection."""
        return Figures(CONNECTION, read_octets(client), _of(self._samples.connections.get(client)), self.tick)

    def channel(self, counts: Counted) -> Figures:
        """The counters of a channel, by its counting object (``ChannelStatus.counts``)."""
        return Figures(CHANNEL, read_counts(counts.listed()), _of(self._samples.channels.get(counts)), self.tick)

    async def vhost(self, name: str) -> Figures:
        """The counters of a virtual host."""
        values = (await self.totals()).vhosts.get(name, (0,) * len(VHOST.columns))
        return self.of_vhost(name, values)

    def of_vhost(self, name: str, values: Sequence[int]) -> Figures:
        """The counters of a virtual host, given the current ones from ``totals``."""
        return Figures(VHOST, values, _of(self._vhosts.get(name)), self.tick)

    def of_vhosts(self, names: Iterable[str], values: Sequence[int]) -> Figures:
        """The combined counters of some virtual hosts; ``values``: the current ones."""
        series = [self._vhosts[name] for name in names if name in self._vhosts]
        return Figures(VHOST, values, series, self.tick)

    async def broker(self) -> Figures:
        """The combined counters of all virtual hosts, and the churn."""
        values = (await self.totals()).broker
        return Figures(BROKER, values, _of(self._whole.get(BROKER)), self.tick)

    def process(self) -> Figures:
        """The resources used by the process."""
        return Figures(NODE, self.node(), _of(self._whole.get(NODE)), self.tick)

    @property
    def size(self) -> int:
        """The bytes of all samples, without what Python needs for each object."""
        groups = (*self._samples.groups, self._vhosts.values(), self._whole.values())
        return sum(series.size for group in groups for series in group)


class _Samples:
    """The samples of objects that come and go."""

    __slots__ = ("channels", "connections", "exchanges", "queues")

    def __init__(self) -> None:
        self.queues: dict[Queue, Series] = {}
        self.exchanges: dict[Exchange, Series] = {}
        self.connections: dict[Client, Series] = {}
        self.channels: dict[Counted, Series] = {}

    @property
    def groups(self) -> list[Iterable[Series]]:
        """All series, by kind."""
        return [
            self.queues.values(),
            self.exchanges.values(),
            self.connections.values(),
            self.channels.values(),
        ]


class _Pass(Seen):
    """One pass over everything: the series of objects that it finds continue, the others are dropped."""

    def __init__(self, before: _Samples, tick: _Tick) -> None:
        self._before = before
        self._tick = tick
        self.found = _Samples()

    def queue(self, queue: Queue, values: tuple[int, ...]) -> None:
        self.found.queues[queue] = self._tick.written(self._before.queues.get(queue), QUEUE, values)

    def exchange(self, exchange: Exchange, values: tuple[int, ...]) -> None:
        self.found.exchanges[exchange] = self._tick.written(self._before.exchanges.get(exchange), EXCHANGE, values)

    def client(self, client: Client, values: tuple[int, int]) -> None:
        found = self._before.connections.get(client)
        self.found.connections[client] = self._tick.written(found, CONNECTION, values)

    def channel(self, counts: Counted) -> None:
        """A channel, by its counting object."""
        values = read_counts(counts.listed())
        self.found.channels[counts] = self._tick.written(self._before.channels.get(counts), CHANNEL, values)


@dataclass(frozen=True, slots=True)
class _Tick:
    """One moment at which samples are taken."""

    number: int
    is_first: bool
    """Is this the first pass? Then objects seen for the first time have not changed."""

    def written(self, series: Series | None, kind: Kind, values: Sequence[int]) -> Series:
        """The series of an object, with this sample; None: there is none yet."""
        if series is None:
            series = Series(kind.geometry, len(kind.columns), self.number - 2)
            if self.is_first:
                series.write(self.number - 1, values)
        series.write(self.number, values)
        return series


def _of(series: Series | None) -> tuple[Series, ...]:
    return (series,) if series is not None else ()
