"""The options of ``declare`` in RabbitMQ's words, by its version."""

from __future__ import annotations

import pytest

import batonmq
from batonmq.engines.rabbitmq_queues import arguments_of
from batonmq.engines.values import QueueOptions

OLD, NEW = (3, 10, 8), (4, 3, 6)
DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "d"}
KEPT = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
QUORUM = {"x-queue-type": "quorum"}


@pytest.mark.parametrize(
    ("options", "version", "expected"),
    [
        ({}, NEW, {}),
        ({"max_priority": 40}, NEW, {"x-max-priority": 40}),
        ({"max_deliveries": 3}, OLD, {"x-delivery-limit": 2} | QUORUM),
        ({"max_deliveries": 3, "max_priority": 31}, NEW, {"x-delivery-limit": 2} | QUORUM),
        (
            {"retry_delay": 1},
            NEW,
            {"x-delayed-retry-type": "failed", "x-delayed-retry-min": 1000, "x-delivery-limit": -1} | QUORUM,
        ),
        # Dead letters are kept until they are confirmed, where that can be.
        ({"dead_letter": "d"}, OLD, DEAD | KEPT | QUORUM),
        ({"dead_letter": "d"}, NEW, DEAD | KEPT | QUORUM | {"x-delivery-limit": -1}),
        ({"dead_letter": "d"}, (3, 9), DEAD),
        ({"dead_letter": "d", "max_priority": 5}, OLD, DEAD | {"x-max-priority": 5}),
        ({"dead_letter": "d", "durable": False}, NEW, DEAD),
        ({"dead_letter": "d", "max_length": 5}, NEW, DEAD | {"x-max-length": 5}),
        (
            {"dead_letter": "d", "max_length": 5, "overflow": "refuse"},
            OLD,
            DEAD | KEPT | QUORUM | {"x-max-length": 5},
        ),
        (
            {"dead_letter": "d", "max_length": 5, "max_deliveries": 3},
            OLD,
            DEAD | QUORUM | {"x-max-length": 5, "x-delivery-limit": 2},
        ),
    ],
)
def test_options_become_a_type_of_queue(
    options: dict[str, object], version: tuple[int, ...], expected: dict[str, object]
) -> None:
    assert arguments_of(QueueOptions(**options), version, "amqp") == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "version", "told"),
    [
        ({"max_deliveries": 3, "durable": False}, NEW, "for durable queues"),
        ({"retry_delay": 3, "durable": False}, NEW, "for durable queues"),
        ({"max_deliveries": 3, "max_priority": 32}, NEW, "up to 31"),
        ({"max_deliveries": 3, "max_priority": 1}, OLD, "before version 4"),
    ],
)
def test_what_no_type_of_queue_can_is_refused(options: dict[str, object], version: tuple[int, ...], told: str) -> None:
    with pytest.raises(batonmq.UnsupportedFeature, match=f"^amqp: RabbitMQ.*{told}"):
        arguments_of(QueueOptions(**options), version, "amqp")  # type: ignore[arg-type]
