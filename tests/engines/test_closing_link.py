"""close() over AMQP whatever the connection is doing: it ends within seconds, and whoever waits is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import batonmq
import batonmq.aio
from batonmq.engines.amqp import link as amqp_link
from batonmq.engines.amqp.link import Link
from batonmq.engines.futures import Future
from tests.engines.stalling_proxy import StallingProxy
from tests.support.wire import Address

# Far less than what is waited for in vain, on a busy machine.
AT_ONCE = SOON = 30.0
IN_VAIN = 2 * AT_ONCE

Stalling = Callable[..., StallingProxy]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker has long for its answers, and the thread to end: what does not come at once comes late."""
    monkeypatch.setattr(amqp_link, "PATIENCE", IN_VAIN)
    monkeypatch.setattr(amqp_link, "TO_END", IN_VAIN)


@pytest.fixture
def stalling(amqp: Address) -> Iterator[Stalling]:
    made: list[StallingProxy] = []

    def make(**frames: int | None) -> StallingProxy:
        made.append(StallingProxy(amqp.port, **frames))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


def seconds_of(function: Callable[[], object]) -> float:
    began = time.monotonic()
    function()
    return time.monotonic() - began


def url_of(port: int, scheme: str = "amqp") -> str:
    return f"{scheme}://guest:guest@127.0.0.1:{port}/"


class Waiting(threading.Thread):
    """Somebody who waits for something, and is told what became of it."""

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._function()
        except BaseException as error:  # noqa: BLE001  # it is looked at by the test
            self.error = error

    def told(self) -> type[BaseException] | None:
        self.join(AT_ONCE)
        assert not self.is_alive()
        return None if self.error is None else type(self.error)


def closes_at_once(link: Link) -> None:
    assert seconds_of(link.close) < AT_ONCE
    assert not link._thread.is_alive()


# The broker's frames until it is logged in to: Start, Tune, OpenOk (AMQP 0-9-1, 2.2.4).
@pytest.mark.parametrize("frames", [0, 1, 2])
def test_during_the_first_log_in(stalling: Stalling, frames: int) -> None:
    proxy = stalling(first=frames)
    link = Link(url_of(proxy.port))
    opening = Waiting(link.open)
    proxy.wait_stalled(1)
    closes_at_once(link)
    assert opening.told() is batonmq.Closed


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_during_a_later_log_in(stalling: Stalling, frames: int) -> None:
    proxy = stalling(later=frames)
    link = Link(url_of(proxy.port))
    link.open()
    proxy.close_by_force()
    proxy.wait_stalled(1)
    closes_at_once(link)


def test_during_a_handshake_of_tls(stalling: Stalling) -> None:
    # No frame passes: neither does one of TLS.
    proxy = stalling(first=0)
    link = Link(url_of(proxy.port, "amqps"), ssl.create_default_context())
    opening = Waiting(link.open)
    proxy.wait_stalled(1)
    closes_at_once(link)
    assert opening.told() is batonmq.Closed


def test_while_nobody_takes_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        # The queue of connections that wait is full, so that TCP's own handshake is not answered.
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        link = Link(url_of(port))
        opening = Waiting(link.open)
        while link._attempt is None or link._attempt._connection_workflow is None:
            time.sleep(0.001)
        closes_at_once(link)
        assert opening.told() is batonmq.Closed
        for one in waiting:
            one.close()


def test_between_two_attempts(stalling: Stalling) -> None:
    proxy = stalling()
    mq = batonmq.connect(url_of(proxy.port))
    proxy.refuse()
    proxy.close_by_force()
    counting = Waiting(lambda: mq.count("q"))
    assert seconds_of(mq.close) < AT_ONCE
    assert counting.told() in (batonmq.Closed, batonmq.ConnectionLost)


def test_while_the_broker_closes_it(stalling: Stalling) -> None:
    proxy = stalling()
    for _ in range(20):
        link = Link(url_of(proxy.port))
        link.open()
        proxy.close_by_force()
        closes_at_once(link)
        proxy = stalling()


def test_whoever_waits_is_told(stalling: Stalling, name: str) -> None:
    proxy = stalling()
    mq = batonmq.connect(url_of(proxy.port))
    proxy.close_by_force()
    proxy.wait_stalled(1)
    waiting = [
        Waiting(lambda: mq.count(name)),
        Waiting(lambda: mq.send(name, b"")),
        Waiting(lambda: mq.declare(name)),
        Waiting(lambda: mq.request(name, b"", timeout=SOON)),
        Waiting(lambda: mq.receiver(name).receive(wait=SOON)),
    ]
    while any(one.is_alive() for one in waiting) and len(mq._engine._link._reconnection._waiting) < len(waiting):  # type: ignore[attr-defined]
        time.sleep(0.001)
    assert seconds_of(mq.close) < AT_ONCE
    assert [one.told() for one in waiting] == [batonmq.Closed] * len(waiting)


def test_whoever_asks_in_this_moment_is_told(stalling: Stalling) -> None:
    proxy = stalling()
    mq = batonmq.connect(url_of(proxy.port))
    asked = threading.Semaphore(0)

    def ask() -> None:
        while True:
            asked.release()
            with contextlib.suppress(batonmq.NotFound):
                mq.count("no-such-queue")

    waiting = [Waiting(ask) for _ in range(4)]
    for _ in range(20):
        assert asked.acquire(timeout=SOON)
    mq.close()
    assert [one.told() for one in waiting] == [batonmq.Closed] * 4


def test_a_broker_that_does_not_say_goodbye_is_left(stalling: Stalling) -> None:
    proxy = stalling()
    mq = batonmq.connect(url_of(proxy.port))
    proxy.fall_silent()
    counting = Waiting(lambda: mq.count("q"))
    assert seconds_of(mq.close) < AT_ONCE
    assert counting.told() is batonmq.Closed


def test_a_receiver_too(stalling: Stalling, amqp: Address, name: str) -> None:
    proxy = stalling()
    with batonmq.connect(url_of(amqp.port)) as other:
        other.declare(name)
        other.send(name, b"held")
        with batonmq.connect(url_of(proxy.port)) as mq:
            receiver = mq.receiver(name)
            assert receiver.receive(wait=SOON)
            proxy.fall_silent()
            assert seconds_of(receiver.close) < AT_ONCE
        with other.receiver(name) as again:
            (held,) = again.receive(wait=SOON)
            assert held.body == b"held"
            held.accept()
        other.delete(name)


def test_a_thread_that_has_failed_tells_everybody(
    stalling: Stalling, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = stalling()
    mq = batonmq.connect(url_of(proxy.port))
    link = mq._engine._link  # type: ignore[attr-defined]

    def fail() -> None:
        # Behind this call in the queue, and never begun.
        counting.append(Waiting(lambda: mq.count("q")))
        while not link._calls:
            time.sleep(0.001)
        raise ZeroDivisionError

    counting: list[Waiting] = []
    link.call(fail)
    link._thread.join(SOON)
    assert counting[0].told() is batonmq.ConnectionLost
    assert "the connection's thread has failed" in caplog.text
    mq.close()


@pytest.mark.parametrize("ask", ["count", "purge", "receive"])
def test_a_close_between_the_steps_of_a_request_ends_it_and_no_thread(
    stalling: Stalling, caplog: pytest.LogCaptureFixture, ask: str
) -> None:
    """The first step is in the connection's thread when it is closed, and asks for the next one."""
    proxy = stalling()
    mq = batonmq.connect(url_of(proxy.port))
    link = mq._engine._link  # type: ignore[attr-defined]
    receiver = mq.receiver("q")
    work = {
        "count": lambda: mq.count("q"),
        "purge": lambda: mq.purge("q"),
        "receive": lambda: receiver.receive(wait=SOON),
    }
    asking: list[Waiting] = []
    closing: list[Waiting] = []

    def hold() -> None:
        asking.append(Waiting(work[ask]))
        while not link._calls:
            time.sleep(0.001)
        closing.append(Waiting(mq.close))
        while not link._is_closed:
            time.sleep(0.001)

    link.call(hold)
    link._thread.join(SOON)
    assert asking[0].told() is batonmq.Closed
    closing[0].join(SOON)
    assert not closing[0].is_alive()
    assert not caplog.records


def test_whoever_made_it_fail_is_told(stalling: Stalling) -> None:
    proxy = stalling()
    mq = batonmq.connect(url_of(proxy.port))
    asked = Future[None]()

    def fail() -> None:
        raise ZeroDivisionError

    mq._engine._link.when_open(fail, asked)  # type: ignore[attr-defined]
    assert asked.wait(SOON)
    assert isinstance(asked.error, batonmq.ConnectionLost)
    mq.close()


def test_over_asyncio(stalling: Stalling) -> None:
    proxy = stalling()

    async def main() -> float:
        mq = await batonmq.aio.connect(url_of(proxy.port))
        proxy.close_by_force()
        await asyncio.to_thread(proxy.wait_stalled, 1)
        began = time.monotonic()
        await mq.close()
        return time.monotonic() - began

    assert asyncio.run(main()) < AT_ONCE
