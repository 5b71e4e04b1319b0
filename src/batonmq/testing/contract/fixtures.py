"""The fixtures for the tests of the contract, beside the place."""

from __future__ import annotations

import pytest

import batonmq
from batonmq.testing.contract.place import Place

__all__ = ["mq", "otherwise", "queue", "quiet_worker", "said"]


@pytest.fixture(autouse=True)
def otherwise(request: pytest.FixtureRequest, place: Place) -> None:
    """A test that the engine cannot pass, for the reason that the place gives, has to fail, or is skipped."""
    stated = place.otherwise.get(getattr(request.node, "originalname", request.node.name))
    if stated is None:
        return
    if not stated.always:
        pytest.skip(stated.reason)
    request.node.add_marker(pytest.mark.xfail(reason=stated.reason, strict=True))


@pytest.fixture
def mq(place: Place) -> batonmq.Connection:
    """A connection to the place."""
    return place.connect()


@pytest.fixture
def queue(place: Place, mq: batonmq.Connection) -> str:
    """A durable queue without messages."""
    name = place.queue()
    mq.declare(name)
    return name


@pytest.fixture
def quiet_worker(caplog: pytest.LogCaptureFixture) -> None:
    """Keep workers from logging failures, for tests whose handlers fail on purpose."""
    caplog.set_level("CRITICAL", "batonmq.worker")


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log of workers."""
    caplog.set_level("WARNING", "batonmq.worker")
    return caplog
