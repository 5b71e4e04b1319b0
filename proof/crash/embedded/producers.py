"""Those who send: to every queue, in every way that the API has."""

from __future__ import annotations

import time
from collections import Counter

import batonmq
from batonmq import Connection, Message, ResourceError
from proof.crash.embedded.program import Planned, Program
from proof.crash.embedded.queues import FULL
from proof.crash.notes import Begun, Book, Committed, Committing, Confirmed, Refused, RolledBack, Sending, now

__all__ = ["Producer"]

# Twice the resolution of the broker's times.
EARLY_NANOSECONDS = 20_000_000
GROUPS = 4
PRIORITIES = 4
BACKLOG = 3_000
PERIOD = 0.05
REPEATS = 3
# More than the queue that is full soon has room for.
BURST = FULL + 5
WEIGHTS = {
    "plain": 20,
    "ranked": 8,
    "groups": 8,
    "single": 6,
    "later": 8,
    "leased": 4,
    "work": 12,
    "poison": 0.1,
    "short": 6,
    "full": 6,
    "known": 6,
    "in": 8,
    "trash": 3,
}


class Producer:
    """One thread with a connection of its own."""

    def __init__(self, program: Program, name: str) -> None:
        self._program = program
        self._chance = program.chance
        self._book: Book = program.book()
        self._session = f"{program.name}-{name}"
        self._numbers: Counter[str] = Counter()
        self._again: list[Message] = []

    def run(self) -> None:
        """Until the program stops."""
        program, chance = self._program, self._chance
        while not program.stop.is_set():
            with program.call("connect"):
                mq = batonmq.connect(program.place.store)
            try:
                self._send_for(mq, chance.uniform(0.5, 5.0))
            finally:
                with program.call("close of a producer"):
                    mq.close()

    def _send_for(self, mq: Connection, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._program.stop.wait(self._chance.uniform(0.0, 0.01)):
            queue = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            with self._program.call("count"):
                is_behind = mq.count(queue) > BACKLOG
            if is_behind:
                continue
            if queue in {"plain", "later"} and self._chance.random() < 0.15:
                self._transact(mq)
            elif queue == "full" and self._chance.random() < 0.2:
                for _ in range(BURST):
                    self._send(mq, queue)
            else:
                self._send(mq, queue)

    def _send(self, mq: Connection, queue: str) -> None:
        count = self._chance.choice((1, 1, 1, 2, 10)) if queue not in {"full", "poison", "known"} else 1
        messages = [self.make(queue) for _ in range(count)]
        if queue == "known" and self._again and self._chance.random() < 0.4:
            messages = [self._again.pop()]
        self._book.write(*(self.note(queue, message) for message in messages))
        ids = tuple(message.id or "" for message in messages)
        try:
            with self._program.call(f"send to {queue}"):
                mq.send_many(queue, messages)
        except ResourceError:
            self._book.write(*(Refused(now(), id_) for id_ in ids))
            return
        self._book.write(Confirmed(now(), ids))
        self._program.worked()
        if queue == "known":
            self._again = [*self._again[-50:], *messages]

    def _transact(self, mq: Connection) -> None:
        work = self._name("tx")
        sends = [(queue, self.make(queue)) for queue in ("plain", "later", "groups")]
        self._book.write(Begun(now(), work), *(self.note(queue, message, work) for queue, message in sends))
        try:
            with self._program.call("transaction"), mq.transaction() as tx:
                for queue, message in sends:
                    tx.send(queue, message)
                if self._chance.random() < 0.2:
                    raise Planned(work)
                self._book.write(Committing(now(), work))
        except Planned:
            self._book.write(RolledBack(now(), work))
        else:
            self._book.write(Committed(now(), work))

    # ------------------------------------------------------------------ messages

    def _name(self, kind: str) -> str:
        self._numbers[kind] += 1
        return f"{self._session}-{kind}-{self._numbers[kind]}"

    def make(self, queue: str) -> Message:
        """A new message for a queue."""
        chance = self._chance
        id_ = self._name(queue)
        body = bytes(chance.choice((10, 100, 1_000, 6_000)))
        if queue == "ranked":
            return Message(body, id=id_, priority=chance.randrange(PRIORITIES))
        if queue == "groups":
            return Message(body, id=id_, group=f"g{chance.randrange(GROUPS)}")
        if queue == "known":
            return Message(body, id=id_, headers={"x-deduplication-header": id_})
        if queue == "short" and chance.random() < 0.3:
            return Message(body, id=id_, ttl=0.1)
        if queue == "later" and chance.random() < 0.1:
            period = {"AMQ_SCHEDULED_PERIOD": int(PERIOD * 1000), "AMQ_SCHEDULED_REPEAT": REPEATS - 1}
            return Message(body, id=id_, headers=period)
        if queue == "later":
            return Message(body, id=id_, delay=chance.choice((0.0, 0.05, 0.3, 2.0)))
        return Message(body, id=id_)

    def note(self, queue: str, message: Message, work: str = "", *, queues: tuple[str, ...] = ()) -> Sending:
        """It is about to be sent; to ``queues``, where it goes to several."""
        copies = REPEATS if "AMQ_SCHEDULED_PERIOD" in message.headers else 1
        delay = PERIOD if copies > 1 else message.delay
        group = message.group or ""
        lane = f"{self._session}-{message.priority if queue == 'ranked' else group}"
        self._numbers[f"lane {queue} {lane}"] += 1
        return Sending(
            now(),
            id=message.id or "",
            session=self._session,
            queues=queues or (queue,),
            lane=lane,
            number=self._numbers[f"lane {queue} {lane}"],
            due=now() + int(delay * 1e9) - EARLY_NANOSECONDS if delay else 0,
            copies=copies,
            group=group,
            work=work,
        )
