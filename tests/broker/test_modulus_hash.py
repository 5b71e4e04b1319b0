"""x-modulus-hash: the hash of the routing key chooses one of the bindings, whatever their keys are."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.support.driven import Driven

KEYS = [f"customer-{number}" for number in range(4_000)]


@pytest.fixture
def driven() -> Driven:
    return Driven(memory_limit=64 << 20)


def declare(driven: Driven, *queues: str) -> None:
    driven.operations.declare_exchange("hash", "x-modulus-hash")
    for queue in queues:
        driven.queue(queue)
        driven.operations.bind_queue(queue, "hash", f"key of {queue}", {})


def where(driven: Driven, key: str) -> str:
    """The one queue that a message goes to."""
    router = driven.operations.vhost.router
    (target,) = router.route(router.exchanges["hash"], [key], {})
    return target.name


def spread(driven: Driven) -> dict[str, str]:
    return {key: where(driven, key) for key in KEYS}


def test_keys_are_shared_out_evenly(driven: Driven) -> None:
    declare(driven, "a", "b", "c")
    counts = Counter(spread(driven).values())
    assert all(abs(counts[queue] / len(KEYS) - 1 / 3) < 0.04 for queue in "abc")


def test_a_queue_that_is_bound_twice_gets_twice_as_much(driven: Driven) -> None:
    declare(driven, "a", "b")
    driven.operations.bind_queue("b", "hash", "another", {})
    assert abs(Counter(spread(driven).values())["b"] / len(KEYS) - 2 / 3) < 0.04
    driven.operations.unbind_queue("b", "hash", "another", {})
    assert abs(Counter(spread(driven).values())["b"] / len(KEYS) - 1 / 2) < 0.04


def test_the_same_bindings_get_the_same_keys_in_whichever_order_they_came(driven: Driven) -> None:
    declare(driven, "a", "b", "c")
    other = Driven()
    declare(other, "c", "a", "b")
    assert spread(driven) == spread(other)


def test_without_bindings_there_is_no_route(driven: Driven) -> None:
    declare(driven, "a")
    driven.operations.delete_queue("a")
    router = driven.operations.vhost.router
    assert router.route(router.exchanges["hash"], ["key"], {}) == []


def test_an_exchange_can_be_what_is_chosen(driven: Driven) -> None:
    declare(driven)
    driven.operations.declare_exchange("onward", "fanout")
    driven.operations.bind_exchange("onward", "hash", "", {})
    driven.queue("a")
    driven.operations.bind_queue("a", "onward", "", {})
    assert where(driven, "key") == "a"
