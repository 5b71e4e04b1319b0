"""What an owner and a guest make of commands and answers that nobody of ours would send."""

from __future__ import annotations

import logging
import math
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import msgspec
import pytest

from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.engines.shared import answers, commands, wire
from batonmq.engines.shared.engine import SharedEngine
from batonmq.engines.shared.frame_stream import FrameStream
from batonmq.engines.shared.link import Link
from batonmq.engines.shared.numbered import Numbered
from batonmq.engines.shared.opening import Reached
from batonmq.errors import EngineError
from tests.engines.shared.conftest import Connect
from tests.engines.shared.hearing import read_command

SOON = 30.0
RESUME = commands.Resume(0, 4711, 4711, [], [], [], [])
BROKEN = (b"x", b"\x80\x00\x00\x00\x00\x05", 0.0)


def _framed(*values: object) -> bytes:
    packed = msgspec.msgpack.encode(values)
    return len(packed).to_bytes(4, "big") + packed


# ---------------------------------------------------------------------- the owner


@pytest.mark.parametrize(
    "said",
    [
        _framed("Subscribe", 1, 1, "orders", 10, math.inf),
        _framed("Subscribe", 1, 1, "orders", 10, math.nan),
        _framed("Subscribe", 1, 1, "orders", -1, None),
        _framed("Settle", 1, 1, 1, "release", "", 1e300),
        _framed("Send", 1 << 63, 1, "orders", [(b"", b"\0\0", 0.0)]),
        _framed("Send", 1, 1, "orders", [(b"", b"\0\0", -5.0)]),
        _framed("Send", 1, 1, b"\xff", []),
        b"\0\0\x0c\x00" + b"\x91" * 3072,
        wire.frame(RESUME),
    ],
    ids=["endless", "no number", "negative", "beyond time", "large", "past", "no text", "deep", "twice"],
)
def test_an_owner_throws_out_who_says_what_means_nothing(
    path: str, owner: EmbeddedEngine, guest: Connect, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as peer, caplog.at_level(logging.WARNING):
        peer.connect(f"{path}-socket")
        peer.settimeout(SOON)
        peer.sendall(wire.frame(RESUME) + said)
        stream = FrameStream(peer)
        while wire.read_answer(stream) is not None:
            pass
    assert "is not served any more" in caplog.text
    assert "Traceback" not in caplog.text
    mq = guest()
    mq.declare("orders")
    mq.send("orders", b"1")
    assert owner.count("orders").get() == 1


def test_what_is_only_promised_takes_no_memory() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"\xff\xff\xff\xff some bytes")
        there.shutdown(socket.SHUT_WR)
        tracemalloc.start()
        try:
            assert read_command(FrameStream(here)) is None
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()


# ---------------------------------------------------------------------- the guest

Ask = Callable[[SharedEngine], Future[object]]


class BadOwner:
    """The other end of an engine's socket."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._stream = FrameStream(peer)

    def heard(self) -> Numbered:
        """What the engine says next."""
        command = read_command(self._stream)
        assert command is not None
        return command

    def say(self, answer: Numbered) -> None:
        self._peer.sendall(wire.frame(answer))


@contextmanager
def _bad_owner() -> Iterator[tuple[SharedEngine, BadOwner]]:
    """An engine, and whoever answers it, who goes in the end; nobody else can have the file."""
    here, there = socket.socketpair()
    with closing(there):
        owner = BadOwner(there)
        owner.say(answers.Hello(0, wire.VERSION, 4711, 1))
        link = Link(here)
        link.greet()
        with closing(SharedEngine("/nonexistent/orders.db", Reached(link, None))) as engine:
            owner.heard()
            owner.say(answers.Resumed(0, [], [], [], []))
            yield engine, owner
            there.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda engine: engine.count("orders"), answers.Done),
        (lambda engine: engine.peek("orders", 1), lambda number: answers.Counted(number, 1)),
        (lambda engine: engine.peek("orders", 1), lambda number: answers.Found(number, [BROKEN])),
        (lambda engine: engine.manage(Message(b"{}")), lambda number: answers.Found(number, [])),
        (lambda engine: engine.delete("orders"), lambda number: answers.Found(number, [])),
    ],
    ids=["no count", "no messages", "broken message", "no reply", "not done"],
)
def test_an_answer_that_means_nothing_is_told_to_who_asked(
    ask: Ask, said: Callable[[int], Numbered], caplog: pytest.LogCaptureFixture
) -> None:
    with _bad_owner() as (engine, owner):
        asked = ask(engine)
        owner.say(said(owner.heard().number))
        assert asked.wait(SOON)
        with pytest.raises(EngineError, match="answers with what cannot be understood"):
            asked.result()
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "said",
    [
        lambda number: answers.Arrived(number, [(BROKEN, 1, False, 1, 0, "", "q")]),
        lambda number: answers.Counted(number, 1),
    ],
    ids=["broken message", "no messages"],
)
def test_who_waits_for_messages_hears_that_what_came_means_nothing(said: Callable[[int], Numbered]) -> None:
    with _bad_owner() as (engine, owner):
        subscribed = engine.subscribe("orders", 10)
        owner.say(answers.Done(owner.heard().number))
        assert subscribed.wait(SOON)
        waits = subscribed.result().receive(1)
        owner.say(said(owner.heard().number))
        assert waits.wait(SOON)
        with pytest.raises(EngineError, match="answers with what cannot be understood"):
            waits.result()


def test_a_subscription_that_is_over_is_told_whatever_the_reason_is_called() -> None:
    with _bad_owner() as (engine, owner):
        subscribed = engine.subscribe("orders", 10)
        owner.say(answers.Done(owner.heard().number))
        assert subscribed.wait(SOON)
        waits = subscribed.result().receive(1)
        owner.heard()
        owner.say(answers.Resumed(0, [], [], [(1, "ValueError", "it is over")], []))
        assert waits.wait(SOON)
        with pytest.raises(EngineError, match="it is over"):
            waits.result()
