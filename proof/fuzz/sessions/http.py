"""Management's HTTP: requests of every route with what it needs, mostly, and bytes of any kind, over a whole broker."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache
from typing import Final

from batonmq.broker import ManagedOperations, User
from batonmq.management.http.application import Application
from batonmq.management.http.connection import HttpServer
from batonmq.management.http.context import Context
from batonmq.management.http.log_in import LogIn
from batonmq.management.http.routes import Routes
from batonmq.management.log_lines import LogLines
from batonmq.management.metrics.service import Metrics
from batonmq.management.routes import all_routes
from batonmq.management.statistics.statistics import Statistics
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.server.authenticator import Authenticator
from batonmq.server.config import Config
from batonmq.server.connections import Connected, Connections, Places
from batonmq.server.extensions import Parts
from batonmq.server.log_ins import LogIns
from batonmq.server.user_changes import Users
from batonmq.server.users import UserFile, guest_account
from batonmq.server.vitals import Vitals
from batonmq.shovels.service import Shovels
from proof.by_hand import EVERYTHING, ByHand
from proof.fuzz.choices import Choices
from proof.fuzz.folders import at_exit, new_folder
from proof.fuzz.pieces import cut
from proof.fuzz.sessions.attack import QUEUES
from proof.fuzz.sessions.http_requests import AUTHORIZATION, Requests
from proof.fuzz.target import Take, Target, ensure

__all__ = ["REQUEST", "requests", "sessions"]

Steps = Callable[[Routes], Iterator[Sequence[bytes]]]
"""What a client says, step by step, each in pieces."""

REQUEST: Final = b"GET /api/overview HTTP/1.1\r\nHost: localhost\r\n" + AUTHORIZATION + b"\r\n"
# How long requests are waited for that need a thread, or never end: an event stream is one.
PATIENCE: Final = 0.005
# How long the next client waits at most, on a machine that has other work.
SECONDS: Final = 30.0
# Whom no input can change.
LOOKER: Final = "looker"
# Octets that a client may be answered: pages and metrics are the largest.
MOST_OUTPUT: Final = 4 << 20


class HandTransport(asyncio.Transport):
    """Takes what a server says, and has no socket."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 15672)})
        self.said = bytearray()
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.said += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """What is said is said."""

    def resume_reading(self) -> None:
        """What is said is said."""


class Managed:
    """What all inputs share: a loop, and users whose passwords are checked."""

    def __init__(self) -> None:
        self.data = new_folder()
        self.loop = asyncio.new_event_loop()
        self.file = UserFile(self.data)
        guest = guest_account(["/"])
        self.authenticator = Authenticator(self.file, {}, guest)
        self.users = Users(self.file, self.authenticator, guest)
        self.log_ins = LogIns(self.authenticator, self.loop, 0.0)
        self.config = Config()
        # The process's own users are in no file.
        password = self.authenticator.add_inside(User(LOOKER, EVERYTHING.tags, EVERYTHING.permissions))
        proof = base64.b64encode(f"{LOOKER}:{password}".encode())
        self.looks = b"GET /api/overview HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " + proof + b"\r\n\r\n"

    def close(self) -> None:
        """Let go of threads and of the loop."""
        self.users.close()
        self.log_ins.stop()
        self.loop.close()

    def begin_anew(self) -> None:
        """The users are those of the beginning."""
        # With the lock, without which nobody knows that there were users: a file that is gone from beside it is missed.
        (self.data / "users.lock").unlink(missing_ok=True)
        self.file.path.unlink(missing_ok=True)
        self.authenticator.refresh()


@cache
def _managed() -> Managed:
    made = Managed()
    at_exit(made.close)
    return made


class HttpAttack:
    """What an input does to a broker by HTTP."""

    def __init__(self, managed: Managed) -> None:
        self._managed = managed
        self._by_hand = ByHand()
        broker = self._by_hand.broker
        operations = ManagedOperations(broker.vhosts["/"], EVERYTHING, self)
        for name, arguments in QUEUES:
            operations.declare_queue(name, durable=name == "rich", arguments=arguments)
        for queue in ("q", "q", "dead"):
            message = Message("", queue, Properties.make(delivery_mode=2, headers={"a": 1}), b"body")
            operations.vhost.router.publish(message, operations.resolve("", queue).targets)
        parts = Parts(
            config=managed.config,
            data=managed.data,
            broker=broker,
            clock=self._by_hand.clock,
            log_ins=managed.log_ins,
            authenticator=managed.authenticator,
            users=managed.users,
            tls=None,
            vitals=Vitals(),
            addresses=list,
            join=lambda peer: peer.close(),
        )
        shovels = Shovels()
        shovels.begin(parts)
        context = Context(
            parts=parts,
            statistics=Statistics(broker, managed.data),
            shovels=shovels,
            log_lines=LogLines(),
            started_at=parts.clock.time(),
            node="batonmq@fuzz",
        )
        log_in = LogIn(parts)
        self._routes = all_routes(log_in, "", Metrics(context, log_in).routes)
        application = Application(context, self._routes, log_in)
        self._server = HttpServer(application, parts.clock, most=100, request_seconds=60.0)
        self._visitors: Connections[Connected] = Connections(Places(100))

    async def run(self, steps: Steps) -> Hashable:
        """Do it; tells what became of it."""
        said = await self._say(steps(self._routes), PATIENCE)
        statuses = tuple(re.findall(rb"HTTP/1\.1 (\d+)", said)[:8])
        await self._server.stop()
        again = await self._say(iter([[self._managed.looks]]), SECONDS)
        ensure(again.startswith(b"HTTP/1.1 200 "), f"the next client is answered {again[:100]!r}")
        ensure(not len(self._visitors), "a client is listed that is gone")
        self._by_hand.broker.close()
        return statuses, len(said).bit_length()

    async def _say(self, steps: Iterator[Sequence[bytes]], patience: float) -> bytes:
        transport = HandTransport()
        connection = self._server.connect(self._visitors)
        connection.connection_made(transport)
        sent = 0
        for pieces in steps:
            for piece in pieces:
                if transport.is_closed or not piece:
                    break
                sent += len(piece)
                connection.data_received(piece)
            await self._settle(patience)
            ensure(len(transport.said) < MOST_OUTPUT + 400 * sent, f"{len(transport.said)} octets are said to {sent}")
        self._by_hand.wait(1.0)
        connection.tick(self._by_hand.clock.monotonic())
        connection.connection_lost(None)
        await self._settle(patience)
        return bytes(transport.said)

    async def _settle(self, patience: float) -> None:
        """All that is under way is done, but for what never ends."""
        end = self._managed.loop.time() + patience
        tasks = self._server.state.tasks
        while True:
            for _ in range(5):
                self._by_hand.settle()
                await asyncio.sleep(0)
            if not tasks or self._managed.loop.time() > end:
                return
            await asyncio.wait(list(tasks), timeout=0.001)


def _serving(steps: Callable[[bytes], Steps]) -> Take:
    managed = _managed()

    async def attack(data: bytes) -> Hashable:
        return await HttpAttack(managed).run(steps(data))

    def take(data: bytes) -> Hashable:
        try:
            return managed.loop.run_until_complete(attack(data))
        finally:
            managed.begin_anew()

    return take


def _any_bytes(data: bytes) -> Steps:
    # Nothing at all is never read from a socket.
    return lambda _: iter([[piece for piece in cut(data) if piece]])


def _make() -> Take:
    return _serving(lambda data: Requests(Choices(data)))


def requests() -> Take:
    """Takes bytes as they come to a connection, cut in pieces."""
    return _serving(_any_bytes)


def sessions() -> tuple[Target, ...]:
    """The targets."""
    seeds = tuple(bytes((first, *range(first, 250, 1 + first % 5))) for first in range(0, 250, 6))
    about = "management's HTTP: requests of every route, with what it needs and with what it does not"
    return (Target("http.session", about, _make, seeds, longest=400, is_session=True),)
