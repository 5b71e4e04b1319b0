"""Section `backlog`: how soon a broker serves whose file is full, and how fast that is drained."""

from __future__ import annotations

import time
from pathlib import Path

from bench import load
from bench.brokers import Baton
from bench.processes import Usage, memory, settle
from bench.report import Figure, Section, Target, at_least, at_most
from bench.settings import Settings, say

__all__ = ["run"]

SIZE = 16
QUICK_MESSAGES = 20_000
# What passes through an empty queue, many confirms on their way: the fastest that persistent messages come and go.
WINDOW = 10_000
PASSING, QUICK_PASSING = 1_000_000, 10_000
SECONDS = Target(2, upper=True, of_ratio=False)
LIMIT = Target(400, upper=True, of_ratio=False)


def run(settings: Settings) -> Section:
    """Fill a queue; start again after a stop and after a kill; drain it, beside what passes through an empty one."""
    program = load.build(settings.programs)
    messages = min(settings.messages, QUICK_MESSAGES) if settings.quick else settings.messages
    passing = settings.count(PASSING, QUICK_PASSING)
    stopped, killed = Figure("serves after a stop", "s", SECONDS), Figure("serves after SIGKILL", "s", SECONDS)
    resident = Figure("resident memory at most", "MB", LIMIT)
    rate = Figure("consumed by one consumer", "msg/s", at_least(0.8))
    cost = Figure("the same: broker CPU", "us/msg", at_most(1.25))
    for index in range(settings.rounds):
        with Baton(settings.folder / f"backlog-{index}") as broker:
            say(f"backlog: {messages:,} messages wait")
            keys: dict[str, str | int] = {"queue": "backlog", "size": SIZE, "persistent": 1}
            load.run(program, port=broker.port, mode="pub", count=messages, confirm=1000, **keys)
            settle(broker.pid)
            broker.stop()
            stopped.ours.append(_started(broker))
            broker.kill()
            killed.ours.append(_started(broker))
            say(f"backlog: {messages:,} messages are drained")
            _measure(program, broker, {"mode": "sub", "count": messages, **keys}, rate.ours, cost.ours)
            resident.ours.append(memory(broker.pid, peak=True))
            say(f"backlog: {passing:,} messages pass through an empty queue")
            keys |= {"mode": "both", "count": passing, "confirm": WINDOW}
            _measure(program, broker, keys, rate.theirs, cost.theirs)
    return Section(
        f"{messages:,} persistent messages of {SIZE} bytes wait in a file",
        "drained",
        "no backlog",
        [stopped, killed, resident, rate, cost],
        [
            f"no backlog: {passing:,} are published and consumed at once, with a window of {WINDOW:,} confirms",
            "a start is over when the broker answers, which is looked at every 50 ms",
        ],
    )


def _started(broker: Baton) -> float:
    began = time.perf_counter()
    broker.start()
    return time.perf_counter() - began


def _measure(program: Path, broker: Baton, keys: dict[str, str | int], rates: list[float], costs: list[float]) -> None:
    usage = Usage(broker.pid)
    loaded = load.run(program, port=broker.port, **keys)
    settle(broker.pid)
    rates.append(loaded.rate)
    costs.append(usage.seconds() / int(keys["count"]) * 1e6)
