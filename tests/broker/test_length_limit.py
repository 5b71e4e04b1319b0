"""What a queue that refuses says before messages come, which is what it does when they come."""

from __future__ import annotations

import pytest
from tests.support.driven import Driven

from batonmq.broker.features.length_limit import first_full
from batonmq.broker.model.outcomes import REFUSED
from batonmq.broker.queues.queue import Queue
from batonmq.fields import FieldValue
from batonmq.message import Message
from batonmq.properties import Properties

KEYED: dict[str, FieldValue] = {"x-deduplication-header": "k"}


def message(headers: dict[str, FieldValue] | None = None) -> Message:
    return Message("", "q", Properties.make(delivery_mode=2, headers=headers), b"1")


def full(arguments: dict[str, FieldValue] | None = None) -> tuple[Driven, Queue]:
    driven = Driven()
    limited: dict[str, FieldValue] = {"x-max-length": 1, "x-overflow": "reject-publish", **(arguments or {})}
    queue = driven.operations.declare_queue("q", durable=True, arguments=limited)
    driven.publish("first", {**KEYED, "colour": "red"})
    assert queue.ready_count == 1
    return driven, queue


@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({}, {"x-delay": 60_000}),
        ({"x-deduplication-window": 60_000}, KEYED),
        ({"x-selector": "colour = 'red'"}, {"colour": "blue"}),
    ],
    ids=["delayed", "a duplicate", "not selected"],
)
def test_what_needs_no_room_is_taken_by_a_full_queue_alone_and_in_a_transaction(
    arguments: dict[str, FieldValue], headers: dict[str, FieldValue]
) -> None:
    driven, queue = full(arguments)
    assert first_full([([queue], message(headers))] * 2) is None
    assert driven.publish("second", headers) != REFUSED
    assert queue.ready_count == 1


@pytest.mark.parametrize("headers", [None, {"colour": "red"}])
def test_what_needs_room_is_refused_alone_and_in_a_transaction(headers: dict[str, FieldValue] | None) -> None:
    driven, queue = full()
    assert first_full([([queue], message(headers))]) is queue
    assert driven.publish("second", headers) == REFUSED


def test_a_duplicate_within_a_transaction_needs_no_room() -> None:
    queue = Driven().queue(x_max_length=1, x_overflow="reject-publish", x_deduplication_window=60_000)
    assert first_full([([queue], message(KEYED)), ([queue], message(KEYED))]) is None
    assert first_full([([queue], message(KEYED)), ([queue], message())]) is queue
    # Nothing has come by that.
    assert first_full([([queue], message(KEYED))]) is None
    assert queue.publish(message(KEYED)) != REFUSED
    assert queue.ready_count == 1


def test_a_consumer_that_waits_makes_room_only_where_it_is_sure_to_take_it() -> None:
    driven = Driven()
    queue = driven.queue(x_max_length=1, x_overflow="reject-publish")
    driven.consume(prefetch=9)
    driven.settle()
    messages = [message(), message()]
    assert not queue.has_room_for_all(messages)
    assert queue.has_room_for_all(messages, takers_are_sure=True)
    assert not queue.has_room_for_all([*messages, message()], takers_are_sure=True)
