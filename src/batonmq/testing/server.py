"""A real broker on a free port of the loopback, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from batonmq.server.broker_server import Server
from batonmq.server.config import AmqpConfig, Config, ListenerConfig, ServerConfig, StompConfig, WebSocketConfig
from batonmq.server.loops import new_event_loop
from batonmq.testing.clock import MovableClock

__all__ = ["RunningServer"]

# The end of a test does not wait for clients that are still connected.
STOP_SECONDS = 0.0


class RunningServer:
    """``with RunningServer(folder) as server:`` connect to ``server.url``, as guest/guest with all rights."""

    def __init__(self, folder: Path, clock: MovableClock | None = None) -> None:
        """``folder`` keeps the messages: a server that is started there again has them."""
        # No heartbeats: a client that seems silent for an hour because the clock was moved is not dead.
        self._config = Config(
            server=ServerConfig(data=str(folder), log_level="warning"),
            listener=(ListenerConfig(port=0),),
            stomp=StompConfig(port="off"),
            websocket=WebSocketConfig(port="off"),
            amqp=AmqpConfig(heartbeat=0),
        )
        self.clock: MovableClock = clock or MovableClock()
        self.host: str = "127.0.0.1"
        self.port: int = 0
        self._runner = asyncio.Runner(loop_factory=new_event_loop)
        self._thread = threading.Thread(target=self._run, name="baton-server", daemon=True)
        self._is_ready = threading.Event()
        self._stopping: asyncio.Event
        self._server: Server
        self._error: BaseException | None = None

    @property
    def url(self) -> str:
        """The URL for AMQP 0-9-1 clients."""
        return f"amqp://guest:guest@{self.host}:{self.port}/"

    def start(self) -> None:
        """Return when clients can connect. Raises StartError."""
        self._thread.start()
        self._is_ready.wait()
        if self._error is not None:
            # Not before all is released.
            self._thread.join()
            raise self._error
        self.clock.when_moved(self._moved)

    def stop(self) -> None:
        """Stop, and return when port, thread and file are released."""
        self.clock.forget(self._moved)
        if self._thread.is_alive():
            self._runner.get_loop().call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def _run(self) -> None:
        with self._runner as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        self._server = Server(self._config, clock=self.clock, refusal_seconds=0)
        try:
            await self._server.start()
            self.port = self._server.ports[0]
        except BaseException as error:  # noqa: BLE001  (it is raised in start(), which waits for it)
            self._error = error
            return
        finally:
            self._is_ready.set()
        await self._stopping.wait()
        await self._server.stop(STOP_SECONDS)

    def _moved(self) -> None:
        asyncio.run_coroutine_threadsafe(self._run_due(), self._runner.get_loop()).result()

    async def _run_due(self) -> None:
        broker = self._server.broker
        while (due := broker.timetable.next_due()) is not None and due <= self.clock.monotonic():
            broker.run_timers()
            broker.end_turn()
        broker.on_work()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
