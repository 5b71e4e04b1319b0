"""Those who take: in every way that a delivery can end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import batonmq
from batonmq import Connection, Delivery, LeaseLost, Message, aio
from proof.crash.embedded.program import Planned, Program
from proof.crash.notes import (
    ACCEPT,
    REJECT,
    RELEASE,
    REQUEUE,
    Begun,
    Book,
    Committed,
    Committing,
    Ended,
    Late,
    Opened,
    Received,
    RolledBack,
    Sending,
    Settled,
    Settling,
    now,
)

__all__ = ["Notes", "Taker", "Worker", "deaths_of"]

# A new owner waits two seconds for those who hold something: what is settled sooner after its owner had it is settled.
SURE_SECONDS = 1.4
LEASE = 2.0
WAIT = 0.2
# How a delivery ends, and how often: of all queues that are not named, and of some.
OFTEN_ACCEPTED = {"accept": 40, "hold": 1}
ENDS: Mapping[str, Mapping[str, float]] = {
    "work": {"accept": 10, "release": 4, "later": 2, "reject": 2, "hold": 1},
    "short": {"accept": 10, "reject": 2, "hold": 1},
    "leased": {"accept": 10, "renew": 4, "late": 1, "hold": 1},
}


def deaths_of(message: Message) -> int:
    """How often it was a dead letter."""
    deaths: Any = message.headers.get("x-death") or []
    return sum(int(death["count"]) for death in deaths)


class Notes:
    """What one receiver notes of what it gets and does."""

    def __init__(self, program: Program, book: Book, session: str, queue: str) -> None:
        self._program = program
        self._book = book
        self._queue = queue
        self._count = 0
        self._unsure: list[tuple[int, float]] = []
        self.session = session
        life = program.pulse.life
        book.write(
            Opened(
                now(),
                session,
                -1 if life is None else life,
                program.name,
                soft=not program.is_steady or queue == "leased",
            )
        )

    def received(self, delivery: Delivery | aio.Delivery, life_before: int | None, asked: int = 0) -> int:
        """It is in these hands, and was not before it was asked for; returns its number."""
        life = self._program.pulse.life
        self._count += 1
        self._book.write(
            Received(
                now(),
                self.session,
                self._count,
                self._queue,
                delivery.message.id or "",
                life if life is not None and life == life_before else -1,
                delivery.redelivered,
                delivery.delivery_count - 1,
                deaths_of(delivery.message),
                asked,
            )
        )
        return self._count

    def settling(self, number: int, how: str, work: str = "") -> None:
        """It is about to be settled."""
        self._book.write(Settling(now(), self.session, (number,), how, work))

    def settled(self, number: int, since: float) -> None:
        """Nothing was raised; it is known to be kept once something is sent.

        ``since``: its owner had it then, for certain.
        """
        self._unsure.append((number, since))

    def late(self, number: int) -> None:
        """Others may have it."""
        self._book.write(Late(now(), self.session, (number,)))

    def ticked(self) -> None:
        """Something was sent: what was settled before, and soon after it came, is kept."""
        sure = [number for number, since in self._unsure if time.monotonic() - since < SURE_SECONDS]
        self._unsure.clear()
        if sure:
            self._book.write(Settled(now(), self.session, tuple(sure)))

    def ended(self) -> None:
        """The receiver is about to be closed."""
        self._book.write(Ended(now(), self.session, orderly=True))


class Taker:
    """One thread that receives from a queue, over connections of its own."""

    def __init__(self, program: Program, name: str, queue: str) -> None:
        self._program = program
        self._chance = program.chance
        self._name = f"{program.name}-{name}"
        self._queue = queue
        self._book = program.book()
        self._sessions = self._works = 0

    def run(self) -> None:
        """Until the program stops."""
        program = self._program
        while not program.stop.is_set():
            with program.call("connect"):
                mq = batonmq.connect(program.place.store)
            try:
                for _ in range(self._chance.choice((1, 1, 3))):
                    self._take_for(mq, self._chance.uniform(0.2, 4.0))
            finally:
                with program.call("close of a taker"):
                    mq.close()

    def _take_for(self, mq: Connection, seconds: float) -> None:
        self._sessions += 1
        notes = Notes(self._program, self._book, f"{self._name}-{self._sessions}", self._queue)
        end = time.monotonic() + seconds
        lease = LEASE if self._queue == "leased" else None
        receiver = mq.receiver(self._queue, prefetch=self._chance.choice((1, 5, 50)), lease=lease)
        held: list[int] = []
        try:
            while time.monotonic() < end and not self._program.stop.is_set():
                before = self._program.pulse.life
                # From here on, not from when it is seen: what this process does not get to read may be in its hands
                # for seconds, in which its owner dies and the next one waits for it in vain.
                since, asked = time.monotonic(), now()
                with self._program.call(f"receive from {self._queue}"):
                    deliveries = receiver.receive(self._chance.choice((1, 1, 10)), wait=WAIT)
                numbered = [(notes.received(delivery, before, asked), delivery) for delivery in deliveries]
                if self._chance.random() < 0.1:
                    time.sleep(self._chance.uniform(0.0, 0.05))
                for number, delivery in numbered:
                    self._settle(mq, notes, number, delivery, since, held)
                if self._chance.random() < 0.3:
                    self._tick(mq, notes)
        finally:
            for number in held:
                # It goes back with the receiver, which need not count.
                notes.settling(number, RELEASE)
            notes.ended()
            with self._program.call(f"close of a receiver of {self._queue}"):
                receiver.close()
            self._tick(mq, notes)

    def _tick(self, mq: Connection, notes: Notes) -> None:
        with self._program.call("send to ticks"):
            mq.send("ticks", b"")
        notes.ticked()

    def _settle(
        self, mq: Connection, notes: Notes, number: int, delivery: Delivery, since: float, held: list[int]
    ) -> None:
        if self._queue == "in":
            self._transact(mq, notes, number, delivery)
            return
        ends = ENDS.get(self._queue, OFTEN_ACCEPTED)
        how = self._chance.choices(list(ends), list(ends.values()))[0]
        if how == "hold":
            held.append(number)
            return
        try:
            self._end(notes, number, delivery, how)
        except LeaseLost:
            if how in {"accept", "reject"}:
                notes.late(number)
            return
        if how in {"accept", "reject"}:
            notes.settled(number, since)

    def _end(self, notes: Notes, number: int, delivery: Delivery, how: str) -> None:
        with self._program.call(f"{how} in {self._queue}"):
            if how == "release":
                notes.settling(number, REQUEUE)
                delivery.release()
            elif how == "later":
                notes.settling(number, REQUEUE)
                delivery.release(delay=self._chance.choice((0.0, 0.1, 0.5)))
            elif how == "reject":
                notes.settling(number, REJECT)
                delivery.reject(reason="so")
            else:
                if how == "renew":
                    delivery.renew()
                elif how == "late":
                    time.sleep(LEASE + 0.2)
                notes.settling(number, ACCEPT)
                delivery.accept()

    def _transact(self, mq: Connection, notes: Notes, number: int, delivery: Delivery) -> None:
        self._works += 1
        work = f"{self._name}-tx-{self._works}"
        self._book.write(
            Begun(now(), work),
            Sending(now(), f"{work}-out", notes.session, ("out",), self._name, self._works, work=work),
        )
        notes.settling(number, ACCEPT, work)
        try:
            with self._program.call("transaction"), mq.transaction() as tx:
                tx.accept(delivery)
                tx.send("out", b"out", id=f"{work}-out")
                self._book.write(Committing(now(), work))
        except LeaseLost:
            self._book.write(RolledBack(now(), work))
        else:
            self._book.write(Committed(now(), work))


class Worker:
    """`mq.run`: handlers that return, fail, or kill their process."""

    def __init__(self, program: Program, name: str, queue: str) -> None:
        self._program = program
        self._name = f"{program.name}-{name}"
        self._queue = queue
        self._book = program.book()

    def run(self) -> None:
        """Until the program stops."""
        program = self._program
        with program.call("connect"):
            mq = batonmq.connect(program.place.store)
        try:
            notes = Notes(program, self._book, f"{self._name}-1", self._queue)

            def handle(delivery: Delivery) -> None:
                # When it came, an owner ago or not, only the worker knows.
                number = notes.received(delivery, None)
                if self._queue == "poison":
                    program.die()
                if program.chance.random() < 0.2:
                    notes.settling(number, REQUEUE)
                    raise Planned(number)
                notes.settling(number, ACCEPT)

            mq.run(self._queue, handle, concurrency=1, backoff=0.05, backoff_max=0.2, drain=5.0, stop=program.stop)
            notes.ended()
        finally:
            with program.call("close of a worker"):
                mq.close()
