"""Producers and consumers of a soak: who sends what to which queue, and what the ledger is told of it."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proof.soak.ledger import Ledger
from proof.soak.sides import Side
from proof.soak.stage import PAUSE, Stage

__all__ = ["Client", "Shared", "consumer", "producer", "rejecting", "run"]

TOGETHER = 20
"""Messages that are sent at once."""
SIZES, WEIGHTS = (30, 300, 2_000, 60_000, 300_000), (40, 30, 28, 1.5, 0.5)
SHORTEST, LONGEST = 0.1, 1.5
"""Seconds that a message is delayed where messages are."""
ABORTED = 2**60
"""Were a message of a rolled back transaction to come, the ledger would know no such number."""
STAY = 400
"""Batches after which a client leaves and comes again, about."""


@dataclass
class Shared:
    """What all clients have in common."""

    stage: Stage
    ledger: Ledger
    pace: float
    """Seconds between two batches of a producer."""


Opener = Callable[[], Side]
Client = Callable[[random.Random], None]


def run(client: Client, chance: random.Random, stage: Stage, name: str) -> None:
    """A client until the soak ends; that it fails is a fault."""
    try:
        client(chance)
    except Exception as error:  # noqa: BLE001 - whatever it is, it goes into the report
        where = traceback.extract_tb(error.__traceback__)[-1]
        stage.fault(f"{name}: {error!r:.300} ({where.filename.rpartition('/')[2]}:{where.lineno})")


def producer(
    shared: Shared, opener: Opener, queues: Sequence[str], *, delays: bool = False, aborts: bool = False
) -> Client:
    """Sends batches to these queues; with ``delays`` each is delayed; with ``aborts`` some are rolled back first."""
    lane = shared.ledger.lane()

    def batch(side: Side, chance: random.Random) -> None:
        queue = chance.choice(queues)
        if aborts and chance.random() < 0.05:
            side.abort(queue, [_body(chance, lane, ABORTED)])
        first = shared.ledger.publish(lane, TOGETHER)
        bodies = [_body(chance, lane, number) for number in range(first, first + TOGETHER)]
        side.send(queue, bodies, chance.uniform(SHORTEST, LONGEST) if delays else 0.0)
        shared.ledger.promise(lane, first, TOGETHER)

    def client(chance: random.Random) -> None:
        while not shared.stage.over.is_set():
            side = opener()
            try:
                for _ in range(chance.randrange(1, 2 * STAY)):
                    with shared.stage.publishing.passed() as goes:
                        if not goes:
                            return
                        batch(side, chance)
                    shared.stage.over.wait(shared.pace)
            finally:
                side.close()

    return client


def consumer(shared: Shared, opener: Opener, queue: str, *, leaves: bool = True) -> Client:
    """Settles what comes; with ``leaves`` it goes now and then with its hands full, and comes again."""

    def client(chance: random.Random) -> None:
        while shared.stage.may_consume():
            side = opener()
            try:
                side.subscribe(queue)
                for _ in range(chance.randrange(1, 2 * STAY)):
                    if not shared.stage.may_consume():
                        return
                    taken = [(handle, _see(shared.ledger, body)) for handle, body in side.take(PAUSE)]
                    if taken and leaves and chance.random() < 1 / STAY:
                        break
                    for _, message in taken:
                        shared.ledger.settle(*message)
                    if taken:
                        side.accept([handle for handle, _ in taken])
            finally:
                side.close()

    return client


def rejecting(shared: Shared, opener: Opener, queue: str) -> Client:
    """As a consumer that finds one message in ten bad, which somebody else gets as a dead letter."""

    def client(chance: random.Random) -> None:
        while shared.stage.may_consume():
            side = opener()
            try:
                side.subscribe(queue)
                for _ in range(chance.randrange(1, 2 * STAY)):
                    if not shared.stage.may_consume():
                        return
                    for handle, body in side.take(PAUSE):
                        message = _see(shared.ledger, body)
                        if chance.random() < 0.1:
                            side.reject(handle)
                        else:
                            shared.ledger.settle(*message)
                            side.accept([handle])
            finally:
                side.close()

    return client


def _body(chance: random.Random, lane: int, number: int) -> str:
    (size,) = chance.choices(SIZES, WEIGHTS)
    return f"{lane}:{number}:".ljust(size, ".")


def _see(ledger: Ledger, body: str) -> tuple[int, int]:
    """Enter a delivery in the ledger; its lane and number."""
    lane, number, _ = body.split(":", 2)
    ledger.see(int(lane), int(number))
    return int(lane), int(number)
