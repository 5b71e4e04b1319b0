"""A broker of one's own that ends and starts again on the same data."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.broker import Broker
from tests.support.wire import Channel, Wire

Again = Callable[[], Channel]


@pytest.fixture
def wires(own_broker: Broker) -> Iterator[list[Wire]]:
    """The connections of all lives of the broker."""
    del own_broker
    wires: list[Wire] = []
    yield wires
    for wire in wires:
        wire.abort()


@pytest.fixture
def enter(own_broker: Broker, wires: list[Wire]) -> Again:
    """Opens channels of the broker in whichever life it is."""

    def enter() -> Channel:
        wires.append(Wire(own_broker.address))
        return wires[-1].open().channel()

    return enter


@pytest.fixture
def first(enter: Again) -> Channel:
    """A channel of the broker's first life."""
    return enter()


@pytest.fixture(params=["terminate", "kill"])
def again(request: pytest.FixtureRequest, own_broker: Broker, wires: list[Wire], enter: Again) -> Again:
    """Ends the broker in this way, starts it on the same data, and opens a channel."""

    def again() -> Channel:
        if request.param == "kill":
            own_broker.kill()
        else:
            assert own_broker.terminate(wires) == 0
        own_broker.start()
        return enter()

    return again
