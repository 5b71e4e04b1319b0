"""x-consistent-hash: one destination a message, by weight, and as few keys as can be move when bindings change."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.support.driven import Driven

from batonmq.errors import PreconditionFailed
from batonmq.fields import FieldValue
from batonmq.message import Message
from batonmq.properties import Properties

KEYS = [f"customer-{number}" for number in range(4_000)]


@pytest.fixture
def driven() -> Driven:
    return Driven(memory_limit=64 << 20)


def declare(driven: Driven, arguments: dict[str, FieldValue] | None = None, **weights: str) -> None:
    driven.operations.declare_exchange("hash", "x-consistent-hash", arguments=arguments)
    for queue, weight in weights.items():
        add(driven, queue, weight)


def add(driven: Driven, queue: str, weight: str = "1") -> None:
    driven.queue(queue)
    driven.operations.bind_queue(queue, "hash", weight, {})


def where(driven: Driven, key: str, properties: Properties | None = None) -> str:
    """The one queue that a message goes to."""
    vhost = driven.operations.vhost
    headers = (properties.headers if properties is not None else None) or {}
    (target,) = vhost.router.route(vhost.router.exchanges["hash"], [key], headers, properties)
    return target.name


def spread(driven: Driven) -> dict[str, str]:
    return {key: where(driven, key) for key in KEYS}


def test_keys_are_shared_out_by_weight(driven: Driven) -> None:
    declare(driven, a="1", b="1", c="2")
    counts = Counter(spread(driven).values())
    for queue, share in (("a", 0.25), ("b", 0.25), ("c", 0.5)):
        assert abs(counts[queue] / len(KEYS) - share) < 0.04


def test_a_binding_that_comes_takes_its_share_and_moves_nothing_else(driven: Driven) -> None:
    declare(driven, a="1", b="1", c="1")
    before = spread(driven)
    add(driven, "d")
    after = spread(driven)
    moved = [key for key in KEYS if before[key] != after[key]]
    assert {after[key] for key in moved} == {"d"}
    assert abs(len(moved) / len(KEYS) - 0.25) < 0.04


def test_a_binding_that_goes_leaves_only_its_own_keys(driven: Driven) -> None:
    declare(driven, a="1", b="1", c="1")
    before = spread(driven)
    driven.operations.delete_queue("b")
    after = spread(driven)
    assert all(after[key] == before[key] for key in KEYS if before[key] != "b")
    assert {after[key] for key in KEYS if before[key] == "b"} == {"a", "c"}


def test_the_same_names_get_the_same_keys_in_another_broker(driven: Driven) -> None:
    declare(driven, a="1", b="3")
    other = Driven()
    declare(other, b="3", a="1")
    assert spread(driven) == spread(other)


def test_two_bindings_of_one_queue_add_up(driven: Driven) -> None:
    declare(driven, a="1", b="1")
    driven.operations.bind_queue("b", "hash", "2", {})
    assert abs(Counter(spread(driven).values())["b"] / len(KEYS) - 0.75) < 0.04
    driven.operations.unbind_queue("b", "hash", "1", {})
    assert abs(Counter(spread(driven).values())["b"] / len(KEYS) - 0.667) < 0.04


def test_a_weight_of_zero_gets_nothing(driven: Driven) -> None:
    declare(driven, a="1", b="0")
    assert set(spread(driven).values()) == {"a"}


def test_without_bindings_there_is_no_route(driven: Driven) -> None:
    declare(driven)
    vhost = driven.operations.vhost
    assert vhost.router.route(vhost.router.exchanges["hash"], ["key"], {}) == []


def test_a_header_can_be_hashed_instead(driven: Driven) -> None:
    declare(driven, {"hash-header": "customer"}, a="1", b="1", c="1")
    made = {key: Properties.make(headers={"customer": key}) for key in KEYS[:200]}
    found = {key: where(driven, "ignored", properties) for key, properties in made.items()}
    assert {where(driven, "other", made[key]) == found[key] for key in made} == {True}
    assert set(found.values()) == {"a", "b", "c"}
    assert len({where(driven, key) for key in KEYS[:50]}) == 1


@pytest.mark.parametrize("name", ["message_id", "correlation_id", "timestamp"])
def test_a_property_can_be_hashed_instead(driven: Driven, name: str) -> None:
    declare(driven, {"hash-property": name}, a="1", b="1", c="1")
    found = set()
    for number in range(100):
        value: object = 1_700_000_000 + number if name == "timestamp" else str(number)
        properties = Properties.make(**{name: value})  # type: ignore[arg-type]
        found.add(where(driven, "one", properties))
        assert where(driven, "one", properties) == where(driven, "two", properties)
    assert found == {"a", "b", "c"}


def test_a_route_by_key_is_remembered_until_bindings_change(driven: Driven) -> None:
    declare(driven, a="1")
    route = driven.operations.resolve("hash", "key")
    assert route.by_key
    assert route.queue is driven.operations.find_queue("a")
    add(driven, "b")
    assert route.version != driven.operations.vhost.router.version
    declared = Driven()
    declare(declared, {"hash-header": "customer"}, a="1")
    assert not declared.operations.resolve("hash", "key").by_key


def test_each_message_goes_to_one_queue(driven: Driven) -> None:
    declare(driven, a="1", b="1")
    for key in KEYS[:500]:
        route = driven.operations.resolve("hash", key)
        driven.operations.vhost.router.publish(Message("hash", key, Properties.make(), b""), route.targets)
    counts = [driven.operations.find_queue(queue).ready_count for queue in "ab"]
    assert sum(counts) == 500
    assert min(counts) > 150


@pytest.mark.parametrize("weight", ["", "heavy", "-1", "1.5", "²", "1000001"])
def test_a_weight_that_is_no_number_is_refused(driven: Driven, weight: str) -> None:
    declare(driven)
    with pytest.raises(PreconditionFailed):
        add(driven, "a", weight)


@pytest.mark.parametrize(
    "arguments",
    [
        {"hash-header": "a", "hash-property": "message_id"},
        {"hash-property": "app_id"},
        {"hash-property": 1},
        {"hash-header": 1},
    ],
)
def test_arguments_that_mean_nothing_are_refused(driven: Driven, arguments: dict[str, FieldValue]) -> None:
    with pytest.raises(PreconditionFailed):
        declare(driven, arguments)
    assert "hash" not in driven.operations.vhost.router.exchanges
