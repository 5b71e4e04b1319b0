"""Dead letters that push others out of the queues that they come to, however many these are."""

from __future__ import annotations

import pytest
from tests.support.timed import Timed

# More than Python would call, each hop from the one before it, or than fit in a small stack.
QUEUES = 100


@pytest.mark.parametrize("overflow", ["drop-head", "reject-publish-dlx"])
def test_a_message_goes_through_a_long_chain_of_full_queues(driven: Timed, overflow: str) -> None:
    for number in range(QUEUES):
        driven.queue(
            f"q{number}",
            x_max_length=0,
            x_overflow=overflow,
            x_dead_letter_exchange="",
            x_dead_letter_routing_key=f"q{number + 1}",
        )
    last = driven.queue(f"q{QUEUES}")
    driven.publish("through", queue="q0")
    driven.settle()
    for _ in range(QUEUES):
        if not last.ready_count:
            driven.wait(0.1)
    assert last.ready_count == 1
    taker = driven.consume(last.name)
    driven.settle()
    (queued,) = taker.held
    deaths = (queued.message.properties.headers or {})["x-death"]
    assert isinstance(deaths, list)
    assert [entry["queue"] for entry in deaths if isinstance(entry, dict)] == [f"q{n}" for n in reversed(range(QUEUES))]
