"""What the tests of the engine over AMQP 1.0 share: our server behind a proxy that can cut."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import batonmq
from tests.engines.proxy import Proxy
from tests.support.wire import Address


def url_of(port: int, scheme: str = "amqp10", user: str = "guest:guest@") -> str:
    return f"{scheme}://{user}127.0.0.1:{port}/"


@pytest.fixture
def proxy(amqp: Address) -> Iterator[Proxy]:
    proxy = Proxy(amqp.port)
    yield proxy
    proxy.close()


@pytest.fixture
def mq(proxy: Proxy) -> Iterator[batonmq.Connection]:
    with batonmq.connect(url_of(proxy.port)) as mq:
        yield mq


@pytest.fixture
def queue(mq: batonmq.Connection, name: str) -> Iterator[str]:
    mq.declare(name)
    yield name
    mq.delete(name)
