"""guest is for this machine only, and the broker warns when something on this machine may pass others on."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
from tests.support.wire import Address, Wire, connection_error

from batonmq.server.broker_server import Server
from batonmq.server.config import Config, ListenerConfig, ServerConfig, StompConfig, WebSocketConfig
from batonmq.server.passwords import hash_password
from batonmq.server.users import PermissionEntry, UserEntry, UserFile

Run = Callable[[Coroutine[object, object, None]], None]

WARNING = "the user guest may log in with its well-known password from this machine"


def config(data: Path, host: str = "127.0.0.1", *, guest: bool = True, origins: tuple[str, ...] = ()) -> Config:
    return Config(
        server=ServerConfig(data=str(data), guest=guest),
        listener=(ListenerConfig(host=host, port=0),),
        stomp=StompConfig(port="off"),
        websocket=WebSocketConfig(port=0, origins=origins),
    )


def start(run: Run, config: Config) -> None:
    async def main() -> None:
        async with Server(config):
            pass

    run(main())


@pytest.mark.parametrize("host", ["0.0.0.0", "*"])
def test_it_warns_when_guest_is_there_and_it_listens_beyond_this_machine(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    start(run, config(tmp_path / "data", host))
    assert caplog.text.count(WARNING) == 1
    assert "it listens on 0.0.0.0:" in caplog.text


def test_it_warns_when_pages_of_others_are_let_in(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    start(run, config(tmp_path / "data", origins=("https://shop.example.org",)))
    assert caplog.text.count(WARNING) == 1


def test_it_does_not_warn_without_reason(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        start(run, config(tmp_path / "loopback"))
        start(run, config(tmp_path / "none", "0.0.0.0", guest=False))
        other = tmp_path / "other"
        other.mkdir()
        with UserFile(other).change() as users:
            users["guest"] = UserEntry(hash_password("hard to guess"), (), {"/": PermissionEntry("", "", "")})
        start(run, config(other, "0.0.0.0"))
    assert WARNING not in caplog.text


def own_address() -> str:
    """An address of this machine that is not its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no other address")
        found = probe.getsockname()[0]
    if found.startswith("127."):
        pytest.skip("this machine has no other address")
    return str(found)


def test_guest_is_refused_from_another_address(run: Run, tmp_path: Path) -> None:
    host = own_address()

    async def main() -> None:
        async with Server(config(tmp_path / "data", host), refusal_seconds=0.01) as server:

            def refused() -> None:
                opened = Wire(Address(host, server.ports[0]), timeout=30)
                with connection_error(403):
                    opened.open()
                opened.abort()

            await asyncio.to_thread(refused)

    run(main())
