"""close() over AMQP 1.0 whatever the connection is doing: it ends within seconds, and whoever waits is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

import batonmq
import batonmq.aio
from batonmq.engines.amqp10 import uplink as amqp10_uplink
from batonmq.engines.amqp10.engine import Amqp10Engine
from tests.engines.amqp10.conftest import url_of
from tests.engines.proxy import Proxy

# Far less than what is waited for in vain, on a busy machine.
AT_ONCE = 30.0
IN_VAIN = 2 * AT_ONCE


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "batonmq-amqp10"]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker has long for its answers: what does not come at once comes late."""
    monkeypatch.setattr(amqp10_uplink, "PATIENCE", IN_VAIN)
    monkeypatch.setattr(amqp10_uplink, "GIVE_BACK", IN_VAIN)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = set(threads())
    yield
    for one in set(threads()) - before:
        one.join(AT_ONCE)
        assert not one.is_alive()


def closes_at_once(mq: batonmq.Connection) -> None:
    began = time.monotonic()
    mq.close()
    assert time.monotonic() - began < AT_ONCE


class Waiting(threading.Thread):
    """Somebody who waits for something, and is told what became of it."""

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self.error: BaseException | None = None
        self.result: object = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._function()
        except BaseException as error:  # noqa: BLE001  # it is looked at by the test
            self.error = error

    def told(self) -> type[BaseException] | None:
        self.join(AT_ONCE)
        assert not self.is_alive()
        return None if self.error is None else type(self.error)


def test_with_a_broker_that_is_there(proxy: Proxy) -> None:
    mq = batonmq.connect(url_of(proxy.port))
    closes_at_once(mq)
    mq.close()
    with pytest.raises(batonmq.Closed):
        mq.count("q")


def test_when_the_broker_says_nothing_any_more(proxy: Proxy, name: str) -> None:
    mq = batonmq.connect(url_of(proxy.port))
    mq.declare(name)
    proxy.hold()
    counting = Waiting(lambda: mq.count(name))
    sending = Waiting(lambda: mq.send(name, b""))
    closes_at_once(mq)
    assert counting.told() in (batonmq.ConnectionLost, batonmq.Closed)
    assert sending.told() in (batonmq.ConnectionLost, batonmq.Closed)


def test_while_it_connects_anew(proxy: Proxy, name: str) -> None:
    mq = batonmq.connect(url_of(proxy.port))
    mq.declare(name)
    receiver = mq.receiver(name)
    receiver.receive(wait=0)
    proxy.cut(refuse=True)
    receiving = Waiting(lambda: receiver.receive(wait=None))
    closes_at_once(mq)
    assert receiving.told() in (batonmq.Closed, batonmq.ConnectionLost, None)


def test_while_somebody_who_does_not_answer_is_connected_to(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    mq = batonmq.connect(url_of(proxy.port))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = mq._engine
        assert isinstance(engine, Amqp10Engine)
        uplink = engine._uplink
        monkeypatch.setattr(uplink, "parameters", replace(uplink.parameters, port=silent.getsockname()[1]))
        proxy.cut(refuse=True)
        counting = Waiting(lambda: mq.count("q"))
        accepted, _ = silent.accept()
        with accepted:
            closes_at_once(mq)
    assert counting.told() in (batonmq.Closed, batonmq.ConnectionLost)


def test_a_receiver_closes_while_the_broker_is_away(proxy: Proxy, name: str) -> None:
    with batonmq.connect(url_of(proxy.port)) as mq:
        mq.declare(name)
        receiver = mq.receiver(name)
        receiver.receive(wait=0)
        proxy.cut(refuse=True)
        closing = Waiting(receiver.close)
        assert closing.told() is None
        proxy.mend()
        mq.delete(name)


def test_from_an_event_loop_that_is_cancelled(proxy: Proxy, name: str) -> None:
    async def run() -> None:
        async with batonmq.aio.connect(url_of(proxy.port)) as mq:
            await mq.declare(name)
            receiver = mq.receiver(name)
            waiting = asyncio.create_task(receiver.receive(wait=None))
            await asyncio.sleep(0)
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
            await mq.send(name, b"x")
            assert await mq.count(name) in (0, 1)
            await receiver.close()
            await mq.delete(name)

    asyncio.run(run())
