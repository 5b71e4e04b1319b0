"""A protocol of one line: what comes goes back. A broker and a store to serve it with, which tests steer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from batonmq.broker.model.access import LogInAnswer
from batonmq.broker.model.turn_time import TurnTime
from batonmq.clock import Clock
from batonmq.errors import StoreError
from batonmq.protocols.sessions.counts import ConnectionCounts
from batonmq.protocols.sessions.standing import FINISHED, LEFT, SUSPENDED
from batonmq.server.authenticator import Authenticator
from batonmq.server.config import AmqpConfig, Config, LimitsConfig, ListenerConfig
from batonmq.server.interface import Host, Timetable
from batonmq.server.listeners import Endpoint
from batonmq.server.log_ins import LogIns
from batonmq.server.recognise import ServedProtocol
from batonmq.server.socket_server import SocketServer
from batonmq.server.users import UserFile, guest_account
from batonmq.server.websocket import WebSocketSession
from batonmq.server.websocket_settings import WebSocketSettings


class EchoStore:
    """Holds bytes until they are committed; a commit waits until it may, and fails when it is told to."""

    def __init__(self) -> None:
        self.busy = False
        self.pending_bytes = 0
        self.staged_bytes = 0
        self.commits = 0
        self.may_commit = threading.Event()
        self.may_commit.set()
        self.failure: StoreError | None = None
        self.error: StoreError | None = None
        self.threads: set[int] = set()
        self.commit_seconds = 0.0
        self.brief = False
        # What consumers hold, since when its commit is put off, and how often they were faster than that.
        self.held = False
        self.since = 0.0
        self.spared = 0
        self.spared_after = 0.0

    def look(self) -> bool:
        return False

    def has_work(self) -> bool:
        return self.pending_bytes > 0

    def is_brief(self) -> bool:
        return self.brief

    def may_wait(self) -> bool:
        return self.held

    def part(self) -> None:
        self.since = self.since or time.perf_counter()

    def cut_at(self, count: int) -> None:
        """Its batches are whole."""

    def waits_since(self) -> float:
        return self.since

    def settle(self, seconds: float) -> None:
        """Consumers settle all of it, so long after its commit was put off."""
        assert self.since
        self.pending_bytes, self.since = 0, 0.0
        self.spared += 1
        self.spared_after = seconds

    def stage(self) -> None:
        assert not self.busy, "a batch is staged while another is being committed"
        self.busy = True
        self.since = 0.0
        self.staged_bytes, self.pending_bytes = self.pending_bytes, 0

    def commit(self) -> None:
        self.threads.add(threading.get_ident())
        assert self.may_commit.wait(30)
        self.commits += 1
        if self.failure is not None:
            raise self.failure


class EchoBroker:
    def __init__(self, store: EchoStore) -> None:
        self.store = store
        self._host: Callable[[], None] = lambda: None
        self.turn_time = TurnTime(Clock())
        self.timetable: Timetable = self
        self.turns = 0
        self.errors: list[StoreError | None] = []
        self.due: float | None = None
        self.timers_run = 0
        self.on_commit: list[Callable[[], None]] = []

    def attach(self, host: Callable[[], None], on_timer: Callable[[], None]) -> None:
        self._host = host

    def on_work(self) -> None:
        self._host()

    def finish_returns(self) -> None:
        """Nothing comes back."""

    @property
    def is_patient(self) -> bool:
        return True

    def end_turn(self) -> None:
        self.turns += 1

    def next_due(self) -> float | None:
        return self.due

    def run_timers(self) -> None:
        self.timers_run += 1
        self.due = None

    def commit_done(self, error: StoreError | None) -> None:
        self.store.busy = False
        if error is not None:
            self.store.pending_bytes += self.store.staged_bytes
        self.errors.append(error)
        for callback in self.on_commit:
            callback()
        self.on_commit.clear()


class EchoSession:
    """Echoes; words of a line of its own do what they say."""

    def __init__(self, host: Host, broker: EchoBroker) -> None:
        self.host = host
        self.broker = broker
        self.output: list[bytes] = []
        self.counts = ConnectionCounts()
        self.finished = self.left = False
        self.suspended = False
        self.received = 0
        self.pieces = 0
        self.turns_ended = 0
        self.ticks = 0
        self.is_writable = True
        self.is_lost = False
        self.is_storing = False
        self.flow_at: set[int] = set()
        self.shut_down = ""
        self.user: LogInAnswer = None

    def receive(self, data: bytes) -> None:
        self.received += len(data)
        self.pieces += 1
        if data.startswith(b"fail"):
            raise RuntimeError("told to fail")
        if data.startswith(b"finish"):
            self.output.append(b"goodbye")
            self.finished = True
        elif data.startswith(b"leave"):
            self.output.append(b"goodbye")
            self.finished = self.left = True
        elif self.is_storing or data.startswith(b"store"):
            self.is_storing = True
            self.broker.store.pending_bytes += len(data)
        elif data.startswith(b"suspend"):
            self.broker.store.pending_bytes += len(data)
            self.suspended = True
            self.broker.on_commit.append(self.go_on)
        elif data.startswith(b"login"):
            _, user, password = data.decode().split()
            self.host.authenticate(user, password, self.logged_in)
        elif data.startswith(b"send"):
            self.output.append(bytes(int(data.split()[1])))
        else:
            self.output.append(data)

    def standing(self) -> int:
        return (FINISHED if self.finished else 0) | (LEFT if self.left else 0) | (SUSPENDED if self.suspended else 0)

    def needs_flow_control(self) -> bool:
        return self.pieces in self.flow_at

    def go_on(self) -> None:
        if not self.suspended:
            return  # the server had left over what came in a busy turn
        self.suspended = False
        self.output.append(b"resumed")
        self.host.resume()

    def logged_in(self, user: LogInAnswer) -> None:
        self.user = user
        self.output.append(b"welcome" if user else b"refused")

    def turn_ended(self) -> None:
        self.turns_ended += 1

    def tick(self, now: float) -> float:
        self.ticks += 1
        return 0.25

    def writable(self, is_writable: bool) -> None:
        self.is_writable = is_writable

    def users_changed(self, find: Callable[[str], LogInAnswer]) -> None:
        """It has none."""

    def shutdown(self, reason: str) -> None:
        self.shut_down = reason
        self.output.append(b"shutdown")
        self.finished = True

    def connection_lost(self, *, in_order: bool = False) -> None:
        self.is_lost = True


class EchoServer:
    def __init__(self, server: SocketServer, broker: EchoBroker, sessions: list[EchoSession]) -> None:
        self.server = server
        self.broker = broker
        self.store = broker.store
        self.sessions = sessions
        self.port = server.addresses[0].port
        self._clients: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client, closed at the end of the test if it is still open then."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._clients.append(writer)
        return reader, writer

    async def close_clients(self) -> None:
        for writer in self._clients:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def config(
    *, connections: int = 100, store_pending: int = 64 * 1024, handshake_timeout: float = 10.0, host: str = "127.0.0.1"
) -> Config:
    return Config(
        listener=(ListenerConfig(host=host, port=0),),
        amqp=AmqpConfig(handshake_timeout=handshake_timeout),
        limits=LimitsConfig(connections=connections, store_pending=store_pending),
    )


@asynccontextmanager
async def echo_server(
    directory: Path,
    settings: Config | None = None,
    *,
    refusal_seconds: float = 0.01,
    websocket: WebSocketSettings | None = None,
) -> AsyncIterator[EchoServer]:
    store = EchoStore()
    broker = EchoBroker(store)
    sessions: list[EchoSession] = []

    def make_session(host: Host) -> EchoSession:
        sessions.append(EchoSession(host, broker))
        return sessions[-1]

    def is_other(head: bytes) -> bool | None:
        return head == b"OTHER" if len(head) >= 5 else None if b"OTHER".startswith(head) else False

    def refuse(host: Host) -> EchoSession:
        raise RuntimeError("the other protocol cannot begin")

    protocols = [ServedProtocol("other", is_other, refuse), ServedProtocol("echo", lambda _: True, make_session)]
    authenticator = Authenticator(UserFile(directory), {}, guest_account(["/"]))
    log_ins = LogIns(authenticator, asyncio.get_running_loop(), refusal_seconds)
    settings = settings or config()
    endpoints = [Endpoint("echo", one.host, one.port, one.backlog, protocols) for one in settings.listener]
    if websocket is not None:

        def make_websocket(host: Host) -> WebSocketSession:
            return WebSocketSession(host, websocket, make_session)

        carried = ServedProtocol("WebSocket", lambda _: True, make_websocket)
        endpoints.insert(0, Endpoint("ws", "127.0.0.1", 0, 16, [carried], path=websocket.path))
    server = SocketServer(broker, store, endpoints, log_ins, settings, Clock())
    await server.start()
    served = EchoServer(server, broker, sessions)
    try:
        yield served
    finally:
        store.may_commit.set()
        await served.close_clients()
        await server.stop("the test is over", 1.0)


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


async def closed(reader: asyncio.StreamReader) -> None:
    """Wait until the server has closed the connection, having said nothing more."""
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
