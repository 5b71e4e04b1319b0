"""Section `memory`: what a backlog costs, waiting and consumed (contract 6: what does not fit waits in the store)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pika

from bench import load
from bench.brokers import Baton
from bench.processes import Usage, memory, settle
from bench.report import Figure, Section, Target, at_least, at_most
from bench.settings import Settings, say

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel
    from pika.spec import Basic

__all__ = ["run"]

SIZE = 1024
FEW = 10_000
# Ten thousand are consumed in a tenth of a second, and CPU is counted in ticks of 10 ms: many times, then.
TIMES, QUICK_TIMES = 30, 3
QUICK_MESSAGES = 50_000
# A client that people have takes a part of them, the generator the rest: it needs ten times as long for each.
BY_PIKA = 10
PIKA_TIMES = 5
PREFETCH = 1_000
LIMIT = Target(400, upper=True, of_ratio=False)
# "Not slower" within what two runs of the same differ by.
NOISE = 0.1


def run(settings: Settings) -> Section:
    """Fill a queue, look at the memory, empty it; the same with few messages, for comparison."""
    program = load.build(settings.programs)
    messages = min(settings.messages, QUICK_MESSAGES) if settings.quick else settings.messages
    waiting = Figure("resident memory at most, waiting", "MB", LIMIT)
    consumed = Figure("resident memory at most, consumed", "MB", LIMIT)
    usual = Figure("consuming with pika", "msg/s", at_least(1 - NOISE))
    rate = Figure("consuming, generator in C", "msg/s", at_least(1 - NOISE))
    cost = Figure("the same: broker CPU", "us/msg", at_most(1 + NOISE))
    with Baton(settings.folder / "memory-few") as broker:
        say(f"memory: {FEW:,} messages wait and are consumed, several times")
        spent = 0.0
        times = QUICK_TIMES if settings.quick else TIMES
        for _ in range(times):
            _fill(program, broker, FEW)
            if not waiting.theirs:
                waiting.theirs.append(memory(broker.pid, peak=True))
            reached, seconds = _empty(program, broker, FEW)
            rate.theirs.append(reached)
            spent += seconds
        cost.theirs.append(spent / (FEW * times) * 1e6)
        for _ in range(1 if settings.quick else PIKA_TIMES):
            _fill(program, broker, FEW)
            usual.theirs.append(_empty_by_pika(broker, FEW))
        consumed.theirs.append(memory(broker.pid, peak=True))
    with Baton(settings.folder / "memory-many") as broker:
        say(f"memory: {messages:,} messages are published")
        _fill(program, broker, messages)
        waiting.ours.append(memory(broker.pid, peak=True))
        say(f"memory: {messages:,} messages are consumed")
        by_pika = messages // BY_PIKA
        usual.ours.append(_empty_by_pika(broker, by_pika))
        rest = messages - by_pika
        reached, spent = _empty(program, broker, rest)
        rate.ours.append(reached)
        cost.ours.append(spent / rest * 1e6)
        consumed.ours.append(memory(broker.pid, peak=True))
    return Section(
        f"{messages:,} persistent messages of {SIZE} bytes waiting, beside {FEW:,}",
        f"{messages:,}",
        f"{FEW:,}",
        [waiting, consumed, usual, rate, cost],
        [
            f"the targets of consuming are 1x, with {NOISE:.0%} for noise",
            f"{FEW:,} are still in memory when they are consumed; of {messages:,} all but the first come from the disk",
        ],
    )


def _fill(program: Path, broker: Baton, count: int) -> None:
    load.run(program, port=broker.port, mode="pub", queue="backlog", count=count, size=SIZE, persistent=1, confirm=1000)
    settle(broker.pid)


def _empty(program: Path, broker: Baton, count: int) -> tuple[float, float]:
    """Messages a second, and the broker's CPU seconds."""
    usage = Usage(broker.pid)
    loaded = load.run(program, port=broker.port, mode="sub", queue="backlog", count=count)
    settle(broker.pid)
    return loaded.rate, usage.seconds()


def _empty_by_pika(broker: Baton, count: int) -> float:
    """The same with a client that people have: messages a second."""
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=PREFETCH)
    taken = 0

    def take(channel: BlockingChannel, method: Basic.Deliver, _: pika.BasicProperties, __: bytes) -> None:
        nonlocal taken
        taken += 1
        if taken <= count:
            channel.basic_ack(method.delivery_tag)
        if taken == count:
            channel.stop_consuming()

    start = time.perf_counter()
    channel.basic_consume("backlog", take)
    channel.start_consuming()
    seconds = time.perf_counter() - start
    connection.close()
    settle(broker.pid)
    return count / seconds
