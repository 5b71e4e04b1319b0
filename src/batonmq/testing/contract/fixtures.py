"""What the tests of the contract are given, beside the place."""

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
    """Handlers that fail are what many tests are about: a worker logs nothing of it."""
    caplog.set_level("CRITICAL", "batonmq.worker")


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What a worker logs."""
    caplog.set_level("WARNING", "batonmq.worker")
    return caplog
