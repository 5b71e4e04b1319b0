"""The two faces of the API: one is made from the other, and asyncio's own habits are held."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import batonmq
from batonmq import aio
from batonmq.engines.messages import HeaderValue
from batonmq.engines.urls import Target, parse_url

ROOT = Path(__file__).parent.parent.parent
# How deep what can be read without end goes: further than any interpreter allows. Python 3.13 allows 5,000.
DEEP = 100_000


def test_the_synchronous_face_is_what_its_source_says() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "unasync.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_public_name_is_there() -> None:
    for name in batonmq.__all__:
        assert getattr(batonmq, name) is not None
    with pytest.raises(AttributeError):
        _ = batonmq.nothing


def test_asyncio_sends_receives_and_iterates(tmp_path: Path) -> None:
    async def run() -> None:
        async with aio.connect(tmp_path / "queues.db") as mq:
            await mq.declare("orders")
            await asyncio.gather(*(mq.send("orders", b"%d" % number) for number in range(100)))
            found = []
            async with mq.receiver("orders", wait=0) as receiver:
                async for delivery in receiver:
                    async with delivery:
                        found.append(int(delivery.body))
            assert sorted(found) == list(range(100))

    asyncio.run(run())


def test_a_cancelled_receive_leaves_the_message_to_others() -> None:
    async def run() -> None:
        mq = await aio.connect("memory:")
        await mq.declare("orders")
        first, second = mq.receiver("orders"), mq.receiver("orders")
        waiting = asyncio.create_task(first.receive())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await mq.send("orders", b"17")
        (delivery,) = await second.receive(wait=10)
        assert (delivery.body, delivery.redelivered) == (b"17", False)
        await mq.close()

    asyncio.run(run())


def test_a_loop_goes_on_while_it_waits_for_a_message() -> None:
    async def run() -> None:
        async with aio.connect("memory:") as mq:
            await mq.declare("orders")
            waiting = asyncio.create_task(mq.receiver("orders").receive())
            await mq.send("orders", b"17")
            assert [delivery.body for delivery in await waiting] == [b"17"]

    asyncio.run(run())


@pytest.mark.parametrize("into", [None, list[object]])
def test_a_body_that_is_nested_without_end_or_no_text_cannot_be_read(into: type[list[object]] | None) -> None:
    for body in (b"[" * DEEP, b'["\xff"]'):
        message = batonmq.Message(body)
        with pytest.raises(msgspec.DecodeError, match="no JSON that can be read"):
            message.json(into) if into else message.json()
    for body in (b"\x91" * DEEP, b"\x91\xa1\xff"):
        message = batonmq.Message(body)
        with pytest.raises(msgspec.DecodeError, match="no MessagePack that can be read"):
            message.msgpack(into) if into else message.msgpack()


def test_json_and_msgpack_come_back_as_they_went() -> None:
    with batonmq.connect("memory:") as mq:
        mq.declare("orders")
        mq.send_json("orders", {"n": 17})
        mq.send_msgpack("orders", [1, "two"])
        with mq.receiver("orders") as receiver:
            first, second = receiver.receive(2)
        assert (first.message.json(), first.message.content_type) == ({"n": 17}, "application/json")
        assert first.message.json(dict[str, int])["n"] == 17
        assert second.message.msgpack() == [1, "two"]
        with pytest.raises(ValueError, match="Expected `str`"):
            first.message.json(dict[str, str])


def test_text_is_no_body() -> None:
    with pytest.raises(TypeError, match="a body is bytes"):
        batonmq.Message("text")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///var/lib/a.db", Target("file", "/var/lib/a.db")),
        ("file:///with%20space.db", Target("file", "/with space.db")),
        ("/a/b:c.db", Target("file", "/a/b:c.db")),
        ("memory:", Target("memory", "")),
        ("memory:shop", Target("memory", "shop")),
        ("amqps://u:p@host/vhost", Target("amqp", "amqps://u:p@host/vhost")),
    ],
)
def test_a_url_names_an_engine(url: str, expected: Target) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize("url", ["", "redis://localhost", "file://elsewhere/a.db", "amqp://"])
def test_a_url_that_names_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"file|engine|host"):
        parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "file:a%FF.db",
        "file:a\udcff.db",
        "a\udcff.db",
        Path("a\udcff.db"),
        "amqp://h/%FF",
        "amqp://%FF:x@h/",
        "amqp://x:%FF@h/",
        "amqp://h/\udcff",
        "amqp://h/?heartbeat=%FF",
    ],
    ids=ascii,
)
def test_a_url_that_is_no_utf_8_names_nothing(url: str | Path) -> None:
    with pytest.raises(ValueError, match="not UTF-8"):
        parse_url(url)


@pytest.mark.parametrize("value", ["q\udcff", ["\udcff"], {"n": "\ud800"}], ids=ascii)
def test_a_header_that_is_no_unicode_text_is_refused(value: HeaderValue) -> None:
    with batonmq.connect("memory:") as mq:
        mq.declare("orders")
        with pytest.raises(ValueError, match="not Unicode text"):
            mq.send("orders", b"17", headers={"k": value})


def test_connections_to_one_file_share_one_broker_and_the_last_one_closes_it(tmp_path: Path) -> None:
    path = tmp_path / "queues.db"
    with batonmq.connect(path) as one, batonmq.connect(path) as other:
        one.declare("orders")
        one.close()
        other.send("orders", b"17")
    with batonmq.connect(path) as mq:
        assert mq.count("orders") == 1


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be taken for the header of one " * 20)
    with pytest.raises(batonmq.StoreCorrupt):
        batonmq.connect(path)
    assert path.read_text().startswith("not a database")
