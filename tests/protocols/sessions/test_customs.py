"""What a kind of broker does unasked for queues that its clients make."""

from __future__ import annotations

import pytest

from batonmq.protocols.sessions.customs import NO_CUSTOMS, OF_ACTIVEMQ, OF_ARTEMIS, CustomaryQueues, Customs
from batonmq.protocols.sessions.topics import TOPIC_EXCHANGE, has_subscribers, is_pattern, topic_key
from tests.support.driven import Driven


@pytest.fixture
def driven() -> Driven:
    """A broker over a store in memory."""
    return Driven()


def made(driven: Driven, customs: Customs, name: str, topic: str = "") -> None:
    customary = CustomaryQueues(customs, driven.operations)
    queue = driven.operations.declare_queue(name, durable=True, defaults=customary.defaults(name, {}))
    customary.complete(queue, topic)


@pytest.mark.parametrize(
    ("customs", "expected"),
    [(NO_CUSTOMS, set()), (OF_ACTIVEMQ, {"ActiveMQ.DLQ"}), (OF_ARTEMIS, {"DLQ", "ExpiryQueue"})],
)
def test_dead_letters_are_made_with_the_first_queue(driven: Driven, customs: Customs, expected: set[str]) -> None:
    made(driven, customs, "q")
    made(driven, customs, "r")
    queues = driven.operations.vhost.queues
    assert set(queues) == {"q", "r"} | expected
    assert all("x-dead-letter-exchange" not in queues[name].arguments for name in expected)


def test_a_rejected_message_goes_there(driven: Driven) -> None:
    made(driven, OF_ARTEMIS, "q")
    driven.publish("a")
    taker = driven.consume("q")
    driven.settle()
    taker.queue.reject(taker.held.pop())
    driven.settle()
    assert driven.bodies("DLQ") == ["a"]
    assert driven.bodies("ExpiryQueue") == []


def test_a_queue_that_names_its_own_dead_letters_keeps_them(driven: Driven) -> None:
    customary = CustomaryQueues(OF_ACTIVEMQ, driven.operations)
    assert customary.defaults("q", {"x-dead-letter-exchange": "mine"}) == {}
    assert customary.defaults("ActiveMQ.DLQ", {}) == {}


def test_a_queue_of_a_virtual_topic_is_bound_to_it(driven: Driven) -> None:
    vhost = driven.operations.vhost
    made(driven, OF_ACTIVEMQ, "Consumer.a.VirtualTopic.x.>")
    made(driven, OF_ACTIVEMQ, "Consumer.a.VirtualTopic.x.>")
    keys = [binding.routing_key for binding in vhost.router.exchanges[TOPIC_EXCHANGE].bindings]
    assert keys == ["VirtualTopic.x.#"]
    assert has_subscribers(vhost, "VirtualTopic.x.y")
    assert not has_subscribers(vhost, "VirtualTopic.z")


def test_a_queue_is_bound_to_the_topic_that_its_client_names(driven: Driven) -> None:
    made(driven, OF_ARTEMIS, "q", "news")
    made(driven, OF_ARTEMIS, "news", "news")
    bindings = driven.operations.vhost.router.exchanges[TOPIC_EXCHANGE].bindings
    assert [(binding.destination.name, binding.routing_key) for binding in bindings] == [("q", "news")]


@pytest.mark.parametrize(("name", "key"), [("a", "a"), (">", "#"), ("a.>", "a.#"), ("a>.b", "a>.b"), ("*.a", "*.a")])
def test_the_wildcard_of_activemq_is_that_of_the_exchange(name: str, key: str) -> None:
    assert topic_key(name) == key


@pytest.mark.parametrize(
    ("name", "expected"), [("a.*", True), ("a.>", True), ("a*", False), ("Consumer.a.VirtualTopic.>", False)]
)
def test_a_pattern_means_other_queues(name: str, *, expected: bool) -> None:
    assert is_pattern(name) == expected
