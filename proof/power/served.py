"""A real broker in this process, on free ports of the loopback, in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from batonmq.server.broker_server import Server
from batonmq.server.config import AmqpConfig, Config, ListenerConfig, ServerConfig, StompConfig, WebSocketConfig
from batonmq.server.loops import new_event_loop

__all__ = ["Served"]

# Clients leave before it is stopped.
STOP_SECONDS = 5.0


class Served:
    """AMQP 0-9-1 and 1.0 on ``amqp_port``, STOMP on ``stomp_port``; user guest, password guest."""

    def __init__(self, folder: Path) -> None:
        self._config = Config(
            server=ServerConfig(data=str(folder), log_level="error"),
            listener=(ListenerConfig(port=0),),
            stomp=StompConfig(port=0),
            websocket=WebSocketConfig(port="off"),
            amqp=AmqpConfig(heartbeat=0),
        )
        self.amqp_port = self.stomp_port = 0
        self._runner = asyncio.Runner(loop_factory=new_event_loop)
        self._thread = threading.Thread(target=self._run, name="served", daemon=True)
        self._is_ready = threading.Event()
        self._stopping: asyncio.Event
        self._error: BaseException | None = None

    def _run(self) -> None:
        with self._runner as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        server = Server(self._config, refusal_seconds=0)
        try:
            await server.start()
            self.amqp_port, self.stomp_port = server.ports[:2]
        except BaseException as error:  # noqa: BLE001 (it is raised where the broker is waited for)
            self._error = error
            return
        finally:
            self._is_ready.set()
        await self._stopping.wait()
        await server.stop(STOP_SECONDS)

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_ready.wait()
        if self._error is not None:
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runner.get_loop().call_soon_threadsafe(self._stopping.set)
        self._thread.join()
