"""Which topic a queue of Kafka has: one for one name, and one name for one."""

from __future__ import annotations

import pytest

from batonmq.engines.kafka.names import Names
from batonmq.errors import PreconditionFailed

NAMES = Names("dlq.")


def test_a_topic_of_somebody_else_is_not_taken_for_a_queue_of_dead_letters() -> None:
    assert NAMES.other("orders") != "dlq.orders"
    assert NAMES.queue("dlq.orders") == "dlq.orders"


@pytest.mark.parametrize("queue", ["orders.dead", "dlq.orders", "dlq."])
def test_a_queue_of_dead_letters_is_found_by_its_topic(queue: str) -> None:
    topic = NAMES.for_dead_letters(queue)
    assert topic.startswith("dlq.")
    assert NAMES.queue(topic) == queue


def test_a_name_that_kafka_takes_is_the_topic() -> None:
    assert NAMES.for_dead_letters("dlq.orders") == "dlq.orders"
    assert NAMES.other("dlq.orders") is None


def test_no_queue_is_called_like_the_topic_of_another() -> None:
    with pytest.raises(PreconditionFailed, match=r"is the queue 'orders\.dead'"):
        NAMES.check(NAMES.for_dead_letters("orders.dead"))
    NAMES.check("dlq.orders")


def test_the_brokers_prefix_is_the_one_that_counts() -> None:
    assert Names("dead-").for_dead_letters("orders").startswith("dead-")
