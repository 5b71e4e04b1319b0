"""Section `memory`: what a backlog costs, waiting and consumed (contract 6: what does not fit waits in the store)."""

from __future__ import annotations

from pathlib import Path

from bench import load
from bench.brokers import Baton
from bench.processes import Usage, memory, settle
from bench.report import Figure, Section, Target, at_least, at_most
from bench.settings import Settings, say

__all__ = ["run"]

SIZE = 1024
FEW = 10_000
# Ten thousand are consumed in a tenth of a second, and CPU is counted in ticks of 10 ms: many times, then.
TIMES, QUICK_TIMES = 30, 3
QUICK_MESSAGES = 50_000
LIMIT = Target(400, upper=True, of_ratio=False)
# "Not slower" within what two runs of the same differ by.
NOISE = 0.1


def run(settings: Settings) -> Section:
    """Fill a queue, look at the memory, empty it; the same with few messages, for comparison."""
    program = load.build(settings.loadgen, settings.programs)
    messages = min(settings.messages, QUICK_MESSAGES) if settings.quick else settings.messages
    waiting = Figure("resident memory at most, waiting", "MB", LIMIT)
    consumed = Figure("resident memory at most, consumed", "MB", LIMIT)
    rate = Figure("consuming", "msg/s", at_least(1 - NOISE))
    cost = Figure("consuming: broker CPU", "us/msg", at_most(1 + NOISE))
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
        consumed.theirs.append(memory(broker.pid, peak=True))
    with Baton(settings.folder / "memory-many") as broker:
        say(f"memory: {messages:,} messages are published")
        _fill(program, broker, messages)
        waiting.ours.append(memory(broker.pid, peak=True))
        say(f"memory: {messages:,} messages are consumed")
        reached, spent = _empty(program, broker, messages)
        rate.ours.append(reached)
        cost.ours.append(spent / messages * 1e6)
        consumed.ours.append(memory(broker.pid, peak=True))
    return Section(
        f"{messages:,} persistent messages of {SIZE} bytes waiting, beside {FEW:,}",
        f"{messages:,}",
        f"{FEW:,}",
        [waiting, consumed, rate, cost],
        [f"the targets of consuming are 1x, with {NOISE:.0%} for noise"],
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
