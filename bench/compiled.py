"""Section `compiled`: BatonMQ's compiled modules beside the same ones as Python, one broker under load at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import batonmq
from bench import amqp10, beside, load, stomp
from bench.brokers import Baton
from bench.report import Section, at_most
from bench.settings import Settings

__all__ = ["AMQP", "AMQP10", "STOMP", "Pure", "run"]

# One and a half times as many messages for the same CPU time.
THIRD_LESS = at_most(0.667)


class Pure(Baton):
    """The one that runs what is written."""

    name = "pure Python"
    environment: ClassVar[dict[str, str]] = {"BATONMQ_PURE": "1"}


AMQP: Sequence[beside.Scenario] = (
    beside.Scenario("AMQP 0-9-1, not persistent", 1_000_000, 20_000),
    beside.Scenario("AMQP 0-9-1, persistent, window 1000", 400_000, 10_000, persistent=True, window=1000),
)
AMQP10: Sequence[amqp10.Scenario] = (
    amqp10.Scenario("AMQP 1.0, not persistent", 400_000, 20_000),
    amqp10.Scenario("AMQP 1.0, persistent, window 1000", 200_000, 20_000, persistent=True),
)
STOMP: Sequence[stomp.Scenario] = (
    stomp.Scenario("STOMP, not persistent", 300_000, 10_000),
    stomp.Scenario("STOMP, persistent, receipts, window 1000", 200_000, 5_000, persistent=True, window=1000),
)


def run(settings: Settings) -> Section:
    """Measure, where there is something compiled."""
    section = Section("Compiled modules beside pure Python", "compiled", Pure.name)
    if not getattr(batonmq, "compiled", False):
        section.notes.append("nothing is compiled here, or BATONMQ_PURE is set: there is nothing to compare")
        return section
    folder = settings.folder / "compiled"
    for name, scenarios in (("amqpload", AMQP), ("amqp10load", AMQP10), ("stompload", STOMP)):
        part = Section(section.title, section.ours, section.theirs)
        brokers = [kind(folder / f"{name}-{kind.__name__}", stomp=True) for kind in (Baton, Pure)]
        beside.compare(part, brokers, scenarios, load.build(settings.programs, name), settings)
        # Memory is that of each pair of brokers.
        section.figures += [figure for figure in part.figures if figure.unit != "MB"]
        for figure in section.figures:
            figure.target = THIRD_LESS if figure.unit == "us/msg" else None
        section.notes += [note for note in part.notes if note not in section.notes]
    return section
