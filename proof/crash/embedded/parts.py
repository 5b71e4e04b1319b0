"""What a process does: declares the queues, and has some of all that there is to do, each in a thread of its own."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import batonmq
from batonmq.broker import Broker
from proof.armed import Strike
from proof.crash.embedded.others import Asker, AsyncClient, Fan, Manager, Replier
from proof.crash.embedded.producers import Producer
from proof.crash.embedded.program import Program
from proof.crash.embedded.queues import LAYOUT, OPTIONS
from proof.crash.embedded.takers import Notes, Taker, Worker
from proof.crash.notes import ACCEPT, Drained, now

__all__ = ["drain", "limit_memory", "take_part"]

# Of all messages that an owner has in memory: everything but the heads of the queues is read from the file.
MEMORY_LIMIT = 64 << 10
QUIET_SECONDS = 0.5
DRAIN_SECONDS = 300.0
TAKEN_AT_ONCE = 200
# Each process takes from so many of the queues.
TAKEN = 6
FROM = [queue.name for queue in LAYOUT if queue.name not in {"poison", "asked", "trash"}]


def limit_memory() -> None:
    """Brokers of this process are short of it."""
    defaults = Broker.__init__.__kwdefaults__
    assert defaults is not None
    defaults["memory_limit"] = MEMORY_LIMIT


def take_part(program: Program, strike: Strike | None, *, is_alone: bool) -> None:
    """Until SIGTERM, or until it is killed."""
    limit_memory()
    program.watch(strike)
    main = program.begin(lambda: _take_part(program, is_alone=is_alone))

    def end() -> None:
        signal.sigwait({signal.SIGTERM})
        program.stop.set()

    program.begin(end)
    program.wait([main])


def _take_part(program: Program, *, is_alone: bool) -> None:
    with program.call("connect and declare"), batonmq.connect(program.place.store) as mq:
        for name, options in OPTIONS.items():
            mq.declare(name, **options)
        parts = _choose(program, is_alone=is_alone)
        threads = [program.begin(part) for part in parts]
    program.wait(threads)


def _choose(program: Program, *, is_alone: bool) -> list[Callable[[], None]]:
    chance = program.chance
    queues = chance.sample(FROM, len(FROM) if is_alone else TAKEN)
    parts: list[Callable[[], None]] = [Taker(program, queue, queue).run for queue in queues]
    parts += [Producer(program, f"p{number}").run for number in range(2)]
    parts.append(Worker(program, "worker", "work").run)
    if chance.random() < 0.1:
        parts.append(Worker(program, "poisoned", "poison").run)
    others: list[Callable[[], None]] = [
        Asker(program, "asks").run,
        Replier(program).run,
        Manager(program, "manages").run,
        AsyncClient(program, "aio").run,
        Fan(program, "fan").run,
    ]
    return parts + (others if is_alone else chance.sample(others, 3))


def drain(program: Program, *, poison: bool) -> None:
    """Take all that is there, and accept it; with what has to wait for its time. Its notes say that this is all."""
    program.watch(None)
    book = program.book()
    with batonmq.connect(program.place.store) as mq:
        for name, options in OPTIONS.items():
            mq.declare(name, **options)
        broker = mq.native
        assert isinstance(broker, Broker)
        queues = broker.vhosts["/"].queues
        names = [queue.name for queue in LAYOUT if not queue.drops and queue.name in queues]
        receivers = {
            name: (mq.receiver(name, prefetch=TAKEN_AT_ONCE), Notes(program, book, f"{program.name}-{name}", name))
            for name in names
            if poison or name != "poison"
        }
        end, quiet_since = time.monotonic() + DRAIN_SECONDS, time.monotonic()
        while time.monotonic() < end and time.monotonic() - quiet_since < QUIET_SECONDS:
            for receiver, notes in receivers.values():
                before = program.pulse.life
                while deliveries := receiver.receive(TAKEN_AT_ONCE, wait=0):
                    quiet_since = time.monotonic()
                    for delivery in deliveries:
                        number = notes.received(delivery, before)
                        notes.settling(number, ACCEPT)
                        delivery.accept()
                        notes.settled(number, time.monotonic())
                    mq.send("ticks", b"")
                    notes.ticked()
            if any(queues[name].delayed_count or queues[name].ready_count for name in names):
                quiet_since = time.monotonic()
            time.sleep(0.02)
        left = {name: queues[name].ready_count for name in names if queues[name].ready_count}
        if left:
            program.fault(f"in the end these messages stay in their queues: {left}")
        for receiver, notes in receivers.values():
            notes.ended()
            receiver.close()
        mq.send("ticks", b"")
        book.write(Drained(now()))
    # Not in order: what was accepted stays away all the same.
    program.stop.set()
