"""Who takes: accepts, gives back, rejects, leaves with full hands, or works in transactions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from proof.crash.features import LAYOUT, Feature
from proof.crash.notes import ACCEPT, REJECT, RELEASE, REQUEUE, Received, Settled, now
from proof.crash.served.desk import FINISHING, LOAD, OVER, Desk, Leave, Session
from proof.crash.served.line import Taken
from proof.crash.served.producers import send

__all__ = ["Manner", "consumer", "transactor"]

WAIT = 0.1
TOGETHER = 5
LEAVES = 0.002


@dataclass(frozen=True, slots=True)
class Manner:
    """How a consumer treats what it gets: chances."""

    gives_back: float = 0.0
    rejects: float = 0.0
    leaves: float = LEAVES


def consumer(desk: Desk, protocol: str, queue: str, prefetch: int, manner: Manner) -> None:
    """Until it is over."""

    def role(session: Session) -> None:
        session.line.consume(queue, prefetch)
        held: list[int] = []
        settled: list[int] = []
        while desk.stage < OVER:
            taken = session.line.take(WAIT)
            if taken is not None:
                _note(session, queue, taken)
                held.append(taken.number)
                if desk.stage == LOAD and desk.chance.random() < manner.leaves:
                    raise Leave
            if held and (taken is None or len(held) >= min(prefetch, TOGETHER)):
                _settle(session, held, manner)
                settled += held
                held.clear()
            if settled and (taken is None or desk.chance.random() < 0.3):
                session.line.sync()
                desk.book.write(Settled(now(), session.name, tuple(settled)))
                settled.clear()

    desk.keep(protocol, role, OVER)


def _note(session: Session, queue: str, taken: Taken) -> None:
    session.desk.book.write(
        Received(now(), session.name, taken.number, queue, taken.id, session.life, taken.redelivered, taken.returns)
    )


def _settle(session: Session, held: list[int], manner: Manner) -> None:
    chance = session.desk.chance
    by_way: dict[str, list[int]] = defaultdict(list)
    back = [way for way in (RELEASE, REQUEUE) if way in session.line.ways]
    is_careful = session.desk.stage >= FINISHING
    for number in held:
        luck = 1.0 if is_careful else chance.random()
        if luck < manner.gives_back:
            by_way[chance.choice(back)].append(number)
        elif luck < manner.gives_back + manner.rejects:
            by_way[REJECT].append(number)
        else:
            by_way[ACCEPT].append(number)
    for way, numbers in by_way.items():
        session.settle(numbers, way)


def transactor(desk: Desk, protocol: str, queue: str, to: tuple[str, ...]) -> None:
    """Takes from a queue and sends on to others, all of it in transactions, until it is over."""
    features = [Feature(name, (name,)) for name in to]
    assert not LAYOUT[queue].ordered

    def role(session: Session) -> None:
        session.line.consume(queue, TOGETHER)
        held: list[int] = []
        while desk.stage < OVER:
            taken = session.line.take(WAIT)
            if taken is not None:
                _note(session, queue, taken)
                held.append(taken.number)
            if held and (taken is None or len(held) >= TOGETHER):
                with session.work(0.1 if desk.stage == LOAD else 0.0) as work:
                    for feature in features:
                        send(session, feature, work=work)
                    session.settle(held, ACCEPT, work)
                held.clear()

    desk.keep(protocol, role, OVER, transactional=True)
