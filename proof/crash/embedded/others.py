"""Who else works with the file: requests and replies, dead letters that are moved on, purges, and asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import time

import batonmq
from batonmq import Connection, ConnectionLost, Delivery, NotFound, aio
from batonmq.engines.exchanges import Bind, DeclareExchange
from batonmq.engines.openers import open_target
from batonmq.engines.urls import Target
from proof.crash.embedded.producers import Producer
from proof.crash.embedded.program import Program
from proof.crash.embedded.queues import FANNED
from proof.crash.embedded.takers import Notes
from proof.crash.notes import ACCEPT, Confirmed, Settling, now

__all__ = ["Asker", "AsyncClient", "Fan", "Manager", "Replier"]

REPLY_SECONDS = 3.0


class Asker:
    """Asks, and gets the answer to what it asked, or is told that there is none."""

    def __init__(self, program: Program, name: str) -> None:
        self._program = program
        self._name = f"{program.name}-{name}"

    def run(self) -> None:
        """Until the program stops."""
        program, number = self._program, 0
        with program.call("connect"):
            mq = batonmq.connect(program.place.store)
        try:
            while not program.stop.wait(program.chance.uniform(0.0, 0.1)):
                number += 1
                body = f"{self._name}-{number}".encode()
                # The owner that knew who waits has gone; or whoever was to answer.
                try:
                    with program.call("request"):
                        reply = mq.request("asked", body, timeout=REPLY_SECONDS)
                except ConnectionLost:
                    program.used("requests that went with an owner")
                    continue
                except TimeoutError:
                    program.used("requests that nobody answered in time")
                    continue
                program.used("requests answered")
                if reply.body != body:
                    program.fault(f"{self._name}: {reply.body!r} is the answer to {body!r}")
        finally:
            with program.call("close of one who asks"):
                mq.close()


class Replier:
    """Answers."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def run(self) -> None:
        """Until the program stops."""
        program = self._program
        with program.call("connect"):
            mq = batonmq.connect(program.place.store)
        try:

            def handle(delivery: Delivery) -> None:
                with program.call("reply"):
                    mq.reply(delivery, delivery.body)

            mq.run("asked", handle, drain=5.0, stop=program.stop)
        finally:
            with program.call("close of one who replies"):
                mq.close()


class Manager:
    """Moves dead letters on, purges, looks and counts, makes queues and deletes them."""

    def __init__(self, program: Program, name: str) -> None:
        self._program = program
        self._own = f"own-{program.name}-{name}"

    def run(self) -> None:
        """Until the program stops."""
        program = self._program
        with program.call("connect"):
            mq = batonmq.connect(program.place.store)
        try:
            while not program.stop.wait(program.chance.uniform(0.05, 0.5)):
                self._do(mq)
        finally:
            with program.call("close of a manager"):
                mq.close()

    def _do(self, mq: Connection) -> None:
        program = self._program
        match program.chance.randrange(4):
            case 0:
                with program.call("replay"):
                    mq.replay("work.dead", "work.again", max=20)
                program.used("replays asked for")
            case 1:
                with program.call("purge"):
                    mq.purge("trash")
                program.used("purges")
            case 2:
                with program.call("peek"):
                    mq.peek("plain", 5)
                program.used("peeks")
            case _:
                with program.call("declare, send and delete"):
                    mq.declare(self._own)
                    # It is deleted by whoever has got that far before.
                    with contextlib.suppress(NotFound):
                        mq.send(self._own, bytes(2_000))
                    mq.delete(self._own)
                program.used("queues made and deleted")


class Fan:
    """Publishes to an exchange that leads to two queues, as frameworks do that were made for AMQP."""

    def __init__(self, program: Program, name: str) -> None:
        self._program = program
        self._producer = Producer(program, name)
        self._book = program.book()

    def run(self) -> None:
        """Until the program stops."""
        program = self._program
        with program.call("open for exchanges"):
            engine = open_target(Target("file", program.place.store))
        try:
            exchanges = engine.exchanges
            with program.call("arrange exchanges"):
                exchanges.change(DeclareExchange("fan", "fanout"), flushed=True).get()
                for queue in FANNED:
                    exchanges.change(Bind("fan", queue, ""), flushed=True).get()
            while not program.stop.wait(program.chance.uniform(0.0, 0.03)):
                message = self._producer.make(FANNED[0])
                self._book.write(self._producer.note(FANNED[0], message, queues=FANNED))
                with program.call("publish to an exchange"):
                    count = exchanges.publish("fan", "", message, flushed=True).get()
                if count != len(FANNED):
                    program.fault(f"{message.id} went to {count} queues")
                self._book.write(Confirmed(now(), (message.id or "",)))
        finally:
            with program.call("close of a fan"):
                engine.close()


class AsyncClient:
    """Sends and receives with `batonmq.aio`."""

    def __init__(self, program: Program, name: str) -> None:
        self._program = program
        self._name = f"{program.name}-{name}"
        self._producer = Producer(program, name)
        self._book = program.book()

    def run(self) -> None:
        """Until the program stops."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        program = self._program
        with program.call("connect, asynchronously"):
            mq = await aio.connect(program.place.store)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(mq))
                group.create_task(self._take(mq))
        finally:
            with program.call("close, asynchronously"):
                await mq.close()

    async def _send(self, mq: aio.Connection) -> None:
        while not self._program.stop.is_set():
            message = self._producer.make("plain")
            self._book.write(self._producer.note("plain", message))
            await asyncio.wait_for(mq.send("plain", message), 60.0)
            self._book.write(Confirmed(now(), (message.id or "",)))
            await asyncio.sleep(self._program.chance.uniform(0.0, 0.02))

    async def _take(self, mq: aio.Connection) -> None:
        number = 0
        while not self._program.stop.is_set():
            number += 1
            notes = Notes(self._program, self._book, f"{self._name}-{number}", "plain")
            end = time.monotonic() + self._program.chance.uniform(0.5, 3.0)
            async with mq.receiver("plain", prefetch=10) as receiver:
                while time.monotonic() < end and not self._program.stop.is_set():
                    before, asked = self._program.pulse.life, now()
                    for delivery in await asyncio.wait_for(receiver.receive(5, wait=0.2), 60.0):
                        which = notes.received(delivery, before, asked)
                        self._book.write(Settling(now(), notes.session, (which,), ACCEPT))
                        try:
                            await delivery.accept()
                        except batonmq.LeaseLost:
                            notes.late(which)
                notes.ended()
