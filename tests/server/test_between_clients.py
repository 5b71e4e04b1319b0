"""Where many clients are served in one pass of the loop, what is over for one goes out before the next is served."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.server.echo import EchoServer, EchoSession, echo_server, until

from batonmq.server import turns

Run = Callable[[Coroutine[object, object, None]], None]

CLIENTS = 20


@pytest.fixture(autouse=True)
def every_turn_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LONG_SECONDS", 0.0)
    monkeypatch.setattr(turns, "REST", 0)


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncIterator[tuple[EchoServer, list[socket.socket]]]:
    """A server, and clients that it knows. What these send before the loop goes on is all read in its next pass."""
    async with echo_server(tmp_path) as server:
        with contextlib.ExitStack() as closing:
            address = "127.0.0.1", server.port
            clients = [closing.enter_context(socket.create_connection(address)) for _ in range(CLIENTS)]
            for client in clients:
                client.sendall(b"hello")
            await until(lambda: sum(session.received for session in server.sessions) == 5 * CLIENTS)
            await until(lambda: all(session.turns_ended for session in server.sessions))
            yield server, clients


def test_a_turn_ends_before_the_next_client_of_the_pass(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def receive(session: EchoSession, data: bytes) -> None:
        seen.append(session.broker.turns)

    async def main() -> None:
        async with served(tmp_path) as (_, clients):
            monkeypatch.setattr(EchoSession, "receive", receive)
            for client in clients:
                client.sendall(b"again")
            await until(lambda: len(seen) == CLIENTS)
            assert seen == list(range(seen[0], seen[0] + CLIENTS))

    run(main())


def test_a_commit_that_is_over_is_told_before_the_next_client_of_the_pass(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    was_told: list[bool] = []
    never = threading.Event()

    def receive(session: EchoSession, data: bytes) -> None:
        session.broker.store.may_commit.set()
        was_told.append(bool(session.broker.errors))
        if not was_told[-1]:
            never.wait(0.02)  # the thread commits meanwhile

    async def main() -> None:
        async with served(tmp_path) as (server, clients):
            server.store.may_commit.clear()
            clients[0].sendall(b"store")
            await until(lambda: server.store.busy)
            monkeypatch.setattr(EchoSession, "receive", receive)
            for client in clients:
                client.sendall(b"again")
            await until(lambda: len(was_told) == CLIENTS)
            assert (was_told[0], was_told[CLIENTS // 2]) == (False, True)

    run(main())
