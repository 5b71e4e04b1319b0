"""However many clients come at once, a pass of the loop takes in a few: the others' messages do not wait for all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.server.echo import until
from tests.support.certificates import Certificates

from batonmq.server.broker_server import Server
from batonmq.server.config import Config, ListenerConfig, ServerConfig, StompConfig, WebSocketConfig
from batonmq.server.entrance import Entrance
from batonmq.server.listeners import ACCEPTED

Run = Callable[[Coroutine[object, object, None]], None]

COMING = 100


class Passes:
    """How many more clients there are after each pass of the loop."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._before = count()
        self.steps: list[int] = []
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_soon(self._look)

    def _look(self) -> None:
        now = self._count()
        self.steps.append(now - self._before)
        self._before = now
        self._handle = self._loop.call_soon(self._look)

    def end(self) -> None:
        self._look()
        self._handle.cancel()


@pytest.mark.parametrize("scheme", ["amqp", "amqps"])
def test_a_pass_takes_in_a_few_of_those_who_come_at_once(run: Run, tmp_path: Path, scheme: str) -> None:
    async def main() -> None:
        config = Config(
            server=ServerConfig(data=str(tmp_path / "data")),
            listener=(ListenerConfig(port=0),),
            stomp=StompConfig(port="off", tls_port="off"),
            websocket=WebSocketConfig(port="off", tls_port="off"),
            tls=Certificates(tmp_path).config(),
        )
        async with Server(config) as server:
            port = next(each.port for each in server.addresses if each.scheme == scheme)
            sockets = server._sockets
            there = sockets.connections if scheme == "amqp" else sockets._arrivals
            with ExitStack() as leaving:
                passes = Passes(lambda: len(there))
                # The loop stands still meanwhile: the system has them all wait.
                for _ in range(COMING):
                    leaving.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=30)))
                await until(lambda: len(there) == COMING)
                passes.end()
        assert max(passes.steps) <= ACCEPTED

    run(main())


def test_a_client_whose_handshake_has_not_begun_holds_up_no_stop(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        config = Config(
            server=ServerConfig(data=str(tmp_path / "data")),
            listener=(ListenerConfig(port=0),),
            stomp=StompConfig(port="off", tls_port="off"),
            websocket=WebSocketConfig(port="off", tls_port="off"),
            tls=Certificates(tmp_path).config(),
        )
        async with Server(config) as server:
            entrance = next(each for each in server._sockets._listeners if isinstance(each, Entrance))
            here, there = socket.socketpair()
            with here, there:
                entrance._take_in(there, ("127.0.0.1", 1))
                # In the same pass, before its first step.
                await server._sockets._arrivals.cut()
                assert here.recv(1) == b""

    run(main())
