"""x-local-random: each message goes to the destination of one binding, drawn anew."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.support.driven import Driven

from batonmq.errors import PreconditionFailed


@pytest.fixture
def driven() -> Driven:
    driven = Driven()
    driven.operations.declare_exchange("random", "x-local-random")
    return driven


def bind(driven: Driven, *queues: str) -> None:
    for queue in queues:
        driven.queue(queue)
        driven.operations.bind_queue(queue, "random", "", {})


def drawn(driven: Driven, keys: list[str], times: int = 1_000) -> Counter[str]:
    router = driven.operations.vhost.router
    routes = [router.route(router.exchanges["random"], keys, {}) for _ in range(times)]
    assert all(len(route) == 1 for route in routes)
    return Counter(route[0].name for route in routes)


def test_messages_with_one_key_go_to_any_queue(driven: Driven) -> None:
    bind(driven, "a", "b")
    assert min(drawn(driven, ["key"])[queue] for queue in "ab") > 300


def test_a_message_with_several_keys_goes_to_one_queue(driven: Driven) -> None:
    bind(driven, "a", "b", "c")
    assert set(drawn(driven, ["one", "two", "three"])) == {"a", "b", "c"}


def test_a_queue_that_goes_is_drawn_no_more(driven: Driven) -> None:
    bind(driven, "a", "b")
    driven.operations.delete_queue("a")
    assert set(drawn(driven, ["key"], 100)) == {"b"}
    driven.operations.delete_queue("b")
    router = driven.operations.vhost.router
    assert router.route(router.exchanges["random"], ["key"], {}) == []


def test_a_binding_key_is_refused(driven: Driven) -> None:
    driven.queue("a")
    with pytest.raises(PreconditionFailed, match="binding 'key' key not permitted"):
        driven.operations.bind_queue("a", "random", "key", {})
