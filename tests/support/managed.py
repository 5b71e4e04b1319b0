"""A broker with management over HTTP on free ports, in a thread, and a client of it that hides nothing."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from batonmq.management import Management
from batonmq.server.broker_server import Server
from batonmq.server.config import (
    Config,
    ListenerConfig,
    ManagementConfig,
    ServerConfig,
    StompConfig,
    WebSocketConfig,
)
from batonmq.server.loops import new_event_loop
from batonmq.shovels.service import Shovels

SECONDS = 40.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  (whatever JSON says)
        return json.loads(self.body)


class Http:
    """A client with one connection, and a user; None: nobody."""

    def __init__(self, port: int, user: str | None = "guest", password: str = "guest", host: str = "127.0.0.1") -> None:
        self.connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
        self.headers: dict[str, str] = {}
        if user is not None:
            proof = base64.b64encode(f"{user}:{password}".encode()).decode()
            self.headers["authorization"] = f"Basic {proof}"

    def __call__(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """``body``: octets as they are, anything else as JSON; None: no body."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        all_headers = {**self.headers, **(headers or {})}
        self.connection.request(method, path, data, all_headers)
        response = self.connection.getresponse()
        names: dict[str, str] = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())

    def get(self, path: str) -> Any:  # noqa: ANN401  (whatever JSON says)
        """What a GET answers, which must succeed."""
        answer = self("GET", path)
        assert answer.status == 200, (path, answer.status, answer.body)
        return answer.json

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class ManagedServer:
    """``with ManagedServer(folder) as server:`` AMQP on ``server.port``, HTTP on ``server.http_port``."""

    def __init__(self, folder: Path, config: Config | None = None) -> None:
        """``config``: what is to be different; ports and the folder are not taken from it."""
        given = config or Config()
        management = given.management
        self.config = msgspec.structs.replace(
            given,
            server=msgspec.structs.replace(given.server, data=str(folder)),
            listener=(ListenerConfig(port=0),),
            stomp=StompConfig(port=0, tls_port=0),
            websocket=WebSocketConfig(port="off", tls_port="off"),
            management=msgspec.structs.replace(management, port=0, tls_port=0, required=True),
        )
        self.shovels = Shovels()
        self.management = Management(self.shovels)
        self.server: Server
        self.ports: dict[str, int] = {}
        self._runner = asyncio.Runner(loop_factory=new_event_loop)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._is_ready = threading.Event()
        self._stopping: asyncio.Event
        self._error: BaseException | None = None
        self._clients: list[Http] = []

    @property
    def port(self) -> int:
        return self.ports["amqp"]

    @property
    def http_port(self) -> int:
        return self.ports["http"]

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def http(self, user: str | None = "guest", password: str = "guest") -> Http:
        """A client, closed with the server."""
        client = Http(self.http_port, user, password)
        self._clients.append(client)
        return client

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._runner.get_loop()

    def start(self) -> None:
        self._thread.start()
        self._is_ready.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def _run(self) -> None:
        with self._runner as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        self.server = Server(self.config, refusal_seconds=0, extensions=[self.shovels, self.management])
        try:
            await self.server.start()
            for address in self.server.addresses:
                self.ports["metrics" if address.path == "/metrics" else address.scheme] = address.port
        except BaseException as error:  # noqa: BLE001  (it is raised in start(), which waits for it)
            self._error = error
            return
        finally:
            self._is_ready.set()
        await self._stopping.wait()
        await self.server.stop(0.0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def a_config(**changes: Any) -> Config:  # noqa: ANN401  (tables of the configuration)
    """A configuration with these tables instead of the usual ones."""
    return Config(**{"server": ServerConfig(log_level="warning"), "management": ManagementConfig(), **changes})
