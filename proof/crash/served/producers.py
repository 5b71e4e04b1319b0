"""Who sends: every feature in turn, with confirms or in transactions over several queues."""

from __future__ import annotations

import time
from collections.abc import Sequence

from proof.crash.features import CRON, FANOUT, FEATURES, TRANSIENT, Feature
from proof.crash.notes import Confirmed, Refused, Sending, Used, now
from proof.crash.served.amqp091 import Amqp091Line
from proof.crash.served.desk import FINISHING, Desk, Session
from proof.crash.served.line import Message

__all__ = ["producer", "send"]

# A clock that counts milliseconds may be one behind.
EARLY = 2_000_000
# pika waits for the confirm of each message; the others have so many on their way.
ONE_BY_ONE, TOGETHER = 8, 40
BURST, LIMITED = 30, frozenset({"full", "fulldlx"})
PAUSE = 0.01
# Large enough for a backlog to go beyond the broker's memory, and to be read from the disk again.
SIZES, SHARES = (20, 200, 2_000, 12_000, 60_000), (35, 35, 18, 9, 3)
NEVER_IN_WORK = frozenset({"full", "fulldlx", "least", "once", CRON})
"""What may refuse would undo a transaction each time; a key is sent again by itself."""


def producer(desk: Desk, protocol: str, *, transactional: bool) -> None:
    """Until the load is over."""
    features = [each for each in FEATURES if protocol in each.protocols]
    unsure: list[str] = []

    def role(session: Session) -> None:
        while desk.stage < FINISHING:
            if transactional or (session.line.can_begin and desk.chance.random() < 0.2):
                _in_work(session, [each for each in features if each.target not in NEVER_IN_WORK])
            else:
                _confirmed(session, features, unsure)
            time.sleep(desk.chance.uniform(0.0, PAUSE))

    desk.keep(protocol, role, FINISHING, transactional=transactional)


def _pick(desk: Desk, features: Sequence[Feature], count: int) -> list[Feature]:
    return desk.chance.choices(features, [each.weight for each in features], k=count)


def _confirmed(session: Session, features: Sequence[Feature], unsure: list[str]) -> None:
    desk = session.desk
    ids: list[str] = []
    most = ONE_BY_ONE if isinstance(session.line, Amqp091Line) else TOGETHER
    for feature in _pick(desk, features, desk.chance.randint(1, most)):
        known = ""
        if feature.target == "once" and unsure and desk.chance.random() < 0.7:
            known = unsure.pop(0)
        id_ = send(session, feature, known=known)
        ids.append(id_)
        if feature.target in LIMITED and most == TOGETHER:
            # So many at once that not all have room.
            ids += [send(session, feature) for _ in range(BURST)]
        if feature.target == "once" and desk.chance.random() < 0.3:
            ids.append(send(session, feature, known=id_))
        if feature.target == "once":
            unsure.append(id_)
    refused = session.line.confirm()
    for id_ in refused:
        desk.book.write(Refused(now(), id_))
    kept = tuple(dict.fromkeys(id_ for id_ in ids if id_ not in refused))
    if kept:
        desk.book.write(Confirmed(now(), kept))
    unsure[:] = [id_ for id_ in unsure if id_ not in kept]


def _in_work(session: Session, features: Sequence[Feature]) -> None:
    with session.work(0.1) as work:
        for feature in _pick(session.desk, features, session.desk.chance.randint(2, TOGETHER)):
            send(session, feature, work=work)


def send(session: Session, feature: Feature, *, work: str = "", known: str = "") -> str:
    """One message, noted; its id, which is a new one unless it is known."""
    desk = session.desk
    chance = desk.chance
    id_ = known or desk.new_name("m")
    number = int(id_.rpartition("m")[2])
    headers: dict[str, str | int] = {}
    due, copies, priority, group = 0, 1, 0, ""
    # A key that is sent again must be of the same kind; copies that a kill takes cannot be counted.
    is_certain = feature.target in ("once", "schedule", CRON)
    persistent = is_certain or (feature.target != TRANSIENT and chance.random() < 0.95)
    match feature.target:
        case "delayed":
            delay = chance.randrange(600)
            due = now() + delay * 1_000_000 - EARLY
            headers["x-delay"] = delay
        case "schedule":
            copies = chance.randint(2, 4)
            headers |= {"AMQ_SCHEDULED_PERIOD": chance.randint(20, 200), "AMQ_SCHEDULED_REPEAT": copies - 1}
        case "cron":
            copies = -1
            headers |= {"AMQ_SCHEDULED_CRON": "* * * * *", "AMQ_SCHEDULED_PERIOD": 50, "AMQ_SCHEDULED_REPEAT": 2}
        case "groups":
            group = f"g{chance.randrange(6)}"
            headers["x-group"] = group
        case "ttl" if chance.random() < 0.3:
            headers["expiration"] = "50"
            desk.book.write(Used(now(), "times to live of a message's own"))
        case "urgent":
            priority = chance.randrange(6)
        case "once":
            headers["x-deduplication-header"] = id_
    (size,) = chance.choices(SIZES, SHARES)
    lane = f"{desk.name}/{priority}"
    note = Sending(now(), id_, session.name, feature.queues, lane, number, persistent, due, copies, group, work)
    desk.book.write(note)
    body = f"{id_} ".encode().ljust(size, b".")
    session.line.send(
        Message(id_, feature.target, body, headers, persistent, priority, fanout=feature.target == FANOUT)
    )
    return id_
