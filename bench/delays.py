"""Section `delays`: many messages that fall due at one moment, and their neighbours; what waits a year costs memory."""

from __future__ import annotations

import time
from collections.abc import Callable

import pika
from pika.adapters.blocking_connection import BlockingChannel

from bench.brokers import Baton
from bench.processes import memory, settle
from bench.report import Figure, Section, Target
from bench.settings import Settings, say

__all__ = ["run"]

DUE, QUICK_DUE = 100_000, 10_000
QUICK_WAITING = 50_000
YEAR = 365 * 24 * 3600 * 1000
# Seconds from the last publish to the moment.
AHEAD = 3.0
PINGS = 500
BODY = b"." * 16
LIMIT = Target(400, upper=True, of_ratio=False)
STALL = Target(20, upper=True, of_ratio=False)


def run(settings: Settings) -> Section:
    """The neighbour's round trips while they fall due, beside quiet ones; the memory of those that wait."""
    due = settings.count(DUE, QUICK_DUE)
    waiting = min(settings.messages, QUICK_WAITING) if settings.quick else settings.messages
    middle, worst = Figure("a neighbour's round trip, p50", "ms"), Figure("a neighbour's round trip, p99", "ms", STALL)
    released = Figure("all of them ready after", "s")
    resident = Figure(f"resident memory at most, {waiting:,} due in a year", "MB", LIMIT)
    for index in range(settings.rounds):
        with Baton(settings.folder / f"delays-{index}") as broker:
            _one_moment(broker, due, middle, worst, released)
    with Baton(settings.folder / "delays-year") as broker:
        say(f"delays: {waiting:,} messages that wait a year")
        with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
            _publish(connection.channel(), waiting, int(time.time() * 1000) + YEAR)
        settle(broker.pid)
        resident.ours.append(memory(broker.pid, peak=True))
    return Section(
        f"{due:,} persistent messages that fall due at one moment",
        "meanwhile",
        "quiet",
        [middle, worst, released, resident],
        ["the neighbour publishes a persistent message through a queue of its own, and receives it"],
    )


def _one_moment(broker: Baton, due: int, middle: Figure, worst: Figure, released: Figure) -> None:
    say(f"delays: {due:,} messages for one moment")
    with (
        pika.BlockingConnection(pika.URLParameters(broker.url)) as connection,
        pika.BlockingConnection(pika.URLParameters(broker.url)) as neighbour,
    ):
        channel = connection.channel()
        began = time.time()
        # What a hundredth takes tells when all will be there.
        _publish(channel, due // 100, int((began + 3600) * 1000), "probe")
        moment = time.time() + (time.time() - began) * 100 * 1.5 + AHEAD
        _publish(channel, due, int(moment * 1000))
        ping = _neighbour(neighbour.channel())
        quiet = [ping() for _ in range(PINGS)]
        while time.time() < moment:
            ping()
        trips = []
        while time.time() < moment + 600:
            trips.append(ping())
            if len(trips) % 20 == 0 and _ready(channel) >= due:
                break
        released.ours.append(time.time() - moment)
        for figure, part in ((middle, 0.5), (worst, 0.99)):
            figure.ours.append(_quantile(trips, part))
            figure.theirs.append(_quantile(quiet, part))


def _publish(channel: BlockingChannel, count: int, moment: int, queue: str = "delayed") -> None:
    """Persistent messages for that moment, in milliseconds of the epoch."""
    channel.queue_declare(queue, durable=True)
    properties = pika.BasicProperties(delivery_mode=2, headers={"x-deliver-at": moment})
    for _ in range(count):
        channel.basic_publish("", queue, BODY, properties)
    channel.queue_declare(queue, passive=True)


def _ready(channel: BlockingChannel) -> int:
    return int(channel.queue_declare("delayed", passive=True).method.message_count)


def _neighbour(channel: BlockingChannel) -> Callable[[], float]:
    """One round trip of a message through a queue that has nothing to do with it all, in milliseconds."""
    channel.queue_declare("neighbour", durable=True)
    arrivals = channel.consume("neighbour", auto_ack=True)
    properties = pika.BasicProperties(delivery_mode=2)

    def ping() -> float:
        began = time.perf_counter()
        channel.basic_publish("", "neighbour", BODY, properties)
        next(arrivals)
        return (time.perf_counter() - began) * 1000

    return ping


def _quantile(samples: list[float], part: float) -> float:
    return sorted(samples)[int(len(samples) * part)]
