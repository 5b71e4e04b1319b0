"""Which requests open a WebSocket, and what the others are answered: raw bytes over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.server.echo import closed, config, echo_server, until
from tests.support.waiting import in_time
from websockets.datastructures import Headers
from websockets.http11 import Request

from batonmq.server.websocket_handshake import LONGEST_REQUEST, Refusal, check_origin
from batonmq.server.websocket_settings import WebSocketSettings

Run = Callable[[Coroutine[object, object, None]], None]

# websockets before 17 has no other name for it.
NO_METHOD = (405, b"POST") if int(version("websockets").partition(".")[0]) >= 17 else (400, b"no request")
UPGRADE = {
    "Host": "127.0.0.1:15674",
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


def request(path: str = "/ws", method: str = "GET", *, without: Sequence[str] = (), **headers: str) -> bytes:
    """A request that opens a WebSocket, but for what is said otherwise; `_` in a header's name stands for `-`."""
    lines = {**UPGRADE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if name not in without)
    return f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode()


def answers(tmp_path: Path, run: Run, *pieces: bytes) -> bytes:
    """Everything that the server says to these bytes, until it closes its side."""
    said = b""

    async def main() -> None:
        nonlocal said
        async with echo_server(tmp_path, websocket=WebSocketSettings()) as served:
            reader, writer = await served.connect()
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            async with asyncio.timeout(20):
                said = await reader.read()
            assert not served.sessions, "a session was made without a WebSocket"

    run(main())
    return said


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        (request("/"), 404, b"WebSocket clients connect to /ws"),
        (request("/ws/more"), 404, b"connect to /ws"),
        (b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n", 426, b"WebSocket client"),
        (request(without=["Upgrade"]), 426, b"Upgrade"),
        (request(method="POST"), *NO_METHOD),
        (request(without=["Sec-WebSocket-Key"]), 400, b"Sec-WebSocket-Key"),
        (request(Sec_WebSocket_Key="short"), 400, b"Sec-WebSocket-Key"),
        (request(Sec_WebSocket_Version="8"), 400, b"Sec-WebSocket-Version: 13\r\n"),
        (request(Sec_WebSocket_Protocol="mqtt"), 400, b"v12.stomp, v11.stomp, v10.stomp"),
        (request(Origin="https://evil.example"), 403, b"websocket.origins"),
        (request(Origin="null"), 403, b"websocket.origins"),
        (b"AMQP\0\0\x09\x01", 400, b"WebSocket"),
        (b"CONNECT\nlogin:guest\n\n\0", 400, b"WebSocket"),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, b"WebSocket"),
        (b"GET\x20nonsense\r\n\r\n", 400, b"no request"),
        (b"GET /ws HTTP/1.1\r\nbad header\r\n\r\n", 400, b"no request"),
        (b"GET /ws HTTP/1.1\r\nOrigin: a\r\nOrigin: b\r\n\r\n", 400, b"more than one Origin"),
        (b"GET /" + b"x" * LONGEST_REQUEST, 431, b"at most 32768 bytes"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 400, b"no request"),
    ],
)
def test_what_opens_no_websocket_is_answered_and_closed(
    run: Run, tmp_path: Path, raw: bytes, status: int, words: bytes
) -> None:
    said = answers(tmp_path, run, raw)
    assert said.startswith(b"HTTP/1.1 %d " % status), said
    assert words in said
    assert b"Connection: close\r\n" in said


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_request_may_come_in_any_pieces_with_frames_behind_it(run: Run, tmp_path: Path, size: int) -> None:
    # RFC 6455, section 5.7: a masked text message, "Hello".
    raw = request("/ws?a=b") + bytes.fromhex("818537fa213d7f9f4d5158")

    async def main() -> None:
        async with echo_server(tmp_path, websocket=WebSocketSettings()) as served:
            reader, writer = await served.connect()
            for start in range(0, len(raw), size):
                writer.write(raw[start : start + size])
                await writer.drain()
            async with asyncio.timeout(20):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 101 ")
                # Section 4.2.2: the SHA-1 of the key and the specification's GUID.
                assert b"Sec-WebSocket-Accept: BACScCJPNqyz+UBoqMH89VmURoA=\r\n" in head
                assert b"Sec-WebSocket-Protocol" not in head
                assert await reader.readexactly(7) == b"\x81\x05Hello"

    run(main())


@pytest.mark.parametrize("raw", [b"", b"GET /ws HTTP/1.1\r\nHost: a\r\n"])
def test_a_request_that_does_not_come_to_an_end_is_ended(run: Run, tmp_path: Path, raw: bytes) -> None:
    async def main(seconds: float) -> None:
        settings = WebSocketSettings(handshake_timeout=seconds)
        async with echo_server(tmp_path, config(handshake_timeout=seconds), websocket=settings) as served:
            reader, writer = await served.connect()
            try:
                writer.write(raw)
                async with asyncio.timeout(20):
                    if raw:
                        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
                        await reader.read()
                    else:
                        await closed(reader)
            finally:
                writer.close()
            await until(lambda: len(served.server.connections) == 0)

    in_time(lambda milliseconds: run(main(milliseconds / 1000)), 100, 3_000)


def test_a_request_that_is_under_way_when_the_broker_stops_is_answered(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path, websocket=WebSocketSettings()) as served:
            reader, writer = await served.connect()
            writer.write(b"GET /ws HTTP/1.1\r\n")
            await until(lambda: any(one._session for one in served.server.connections._open))
            stopping = asyncio.create_task(served.server.connections.shutdown("stop", 20))
            assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
            writer.close()
            await stopping

    run(main())


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "is_loopback", "is_accepted"),
    [
        (None, "shop.example", (), True, True),
        # Pages of this machine, with any port.
        ("http://localhost:8080", "127.0.0.1:15674", (), True, True),
        ("http://127.0.0.1", "localhost:15674", (), True, True),
        ("https://[::1]:3000", "[::1]:15674", (), True, True),
        ("http://127.9.9.9:1", "127.0.0.1", (), True, True),
        # Pages of the same host, with any port.
        ("http://192.0.2.7", "192.0.2.7:15674", (), True, True),
        ("http://shop.example", "shop.example:15674", (), False, True),
        ("http://SHOP.example:8080", "shop.example:15674", (), False, True),
        # A name that leads to this machine may be anybody's.
        ("http://shop.example", "shop.example:15674", (), True, False),
        ("http://shop.example", "127.0.0.1:15674", (), True, False),
        ("http://shop.example", "other.example", (), False, False),
        ("http://localhost.evil.example", "127.0.0.1", (), True, False),
        ("http://127.0.0.1.evil.example", "127.0.0.1", (), True, False),
        ("http://localhost@evil.example", "127.0.0.1", (), True, False),
        ("null", "127.0.0.1", (), True, False),
        ("null", "null", (), False, False),
        ("", "", (), False, False),
        ("http://[", "[", (), False, False),
        # What is configured, as it is written.
        ("https://shop.example", "127.0.0.1", ("https://shop.example",), True, True),
        ("https://Shop.example", "127.0.0.1", ("https://shop.example/",), True, True),
        ("http://shop.example", "127.0.0.1", ("https://shop.example",), True, False),
        ("https://shop.example:8443", "127.0.0.1", ("https://shop.example",), True, False),
        ("https://evil.example", "127.0.0.1", ("*",), True, True),
        ("null", "127.0.0.1", ("null",), True, True),
    ],
)
def test_web_pages_of_other_hosts_are_let_in_only_where_they_are_configured(
    origin: str | None, host: str, allowed: tuple[str, ...], is_loopback: bool, is_accepted: bool
) -> None:
    headers = Headers({"Host": host})
    if origin is not None:
        headers["Origin"] = origin
    with contextlib.nullcontext() if is_accepted else pytest.raises(Refusal, match="of this origin may not connect"):
        check_origin(Request("/ws", headers), allowed, is_loopback=is_loopback)
