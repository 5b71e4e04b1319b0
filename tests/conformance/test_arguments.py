"""Arguments that RabbitMQ 4.3 knows: each is done, or refused with its words, or checked and without effect."""

from __future__ import annotations

import pytest
from pamqp import commands as spec
from pamqp.common import FieldTable, FieldValue

from tests.support.marks import differs_from
from tests.support.wire import Channel, channel_error

pytestmark = differs_from("rabbitmq 3.10", why="it knows fewer, and lets more pass")

OF_TYPE = "of queue type rabbit_{}_queue"


@pytest.mark.parametrize(
    ("queue_type", "argument", "value"),
    [
        ("classic", "x-max-age", "1h"),
        ("quorum", "x-max-age", "1h"),
        ("classic", "x-stream-max-segment-size-bytes", 1_000_000),
        ("classic", "x-stream-filter-size-bytes", 32),
        ("quorum", "x-initial-cluster-size", 1),
        ("classic", "x-quorum-initial-group-size", 1),
        ("classic", "x-max-in-memory-length", 5),
        ("classic", "x-max-in-memory-bytes", 5),
        ("classic", "x-consumer-disconnected-timeout", 60_000),
        ("quorum", "x-max-priority", 5),
        ("quorum", "x-queue-mode", "lazy"),
        ("quorum", "x-queue-version", 2),
        ("quorum", "x-queue-master-locator", "min-masters"),
    ],
)
def test_what_is_for_other_types_is_refused(
    ch: Channel, name: str, queue_type: str, argument: str, value: FieldValue
) -> None:
    text = f"invalid arg '{argument}' for queue '{name}' in vhost '/' {OF_TYPE.format(queue_type)}"
    with channel_error(406, f"PRECONDITION_FAILED - {text}", spec.Queue.Declare):
        ch.queue(name, {"x-queue-type": queue_type, argument: value}, durable=True)


@pytest.mark.parametrize(
    ("argument", "value", "fault"),
    [
        ("x-queue-leader-locator", "bogus", "invalid_queue_locator_arg"),
        ("x-quorum-initial-group-size", 0, "{value_zero,0}"),
        ("x-max-in-memory-length", -1, "{value_negative,-1}"),
        ("x-max-in-memory-bytes", "x", '"expected integer, got longstr"'),
        ("x-consumer-disconnected-timeout", -1, "{value_negative,-1}"),
        ("x-dead-letter-strategy", "bogus", "invalid_dlx_strategy"),
    ],
)
def test_a_wrong_value_is_refused(ch: Channel, name: str, argument: str, value: FieldValue, fault: str) -> None:
    text = f"PRECONDITION_FAILED - invalid arg '{argument}' for queue '{name}' in vhost '/': {fault}"
    with channel_error(406, text, spec.Queue.Declare):
        ch.queue(name, {"x-queue-type": "quorum", argument: value}, durable=True)


@pytest.mark.parametrize(
    "arguments",
    [
        {"x-queue-mode": "lazy", "x-queue-version": 2, "x-queue-leader-locator": "balanced"},
        {
            "x-queue-type": "quorum",
            "x-queue-leader-locator": "client-local",
            "x-quorum-initial-group-size": 3,
            "x-max-in-memory-length": 5,
            "x-max-in-memory-bytes": 5,
            "x-consumer-disconnected-timeout": 60_000,
        },
    ],
)
def test_what_is_of_replicas_and_files_has_no_effect(ch: Channel, name: str, arguments: FieldTable) -> None:
    ch.queue(name, arguments, durable=True)
    ch.publish(name, b"x")
    assert ch.await_one(name).body == b"x"


@pytest.mark.parametrize("argument", ["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered"])
def test_consumers_of_streams_are_refused(ch: Channel, name: str, argument: str) -> None:
    ch.queue(name)
    # It is told first, also where an exclusive consumer leaves no place for another.
    ch.consume(name, exclusive=True)
    text = f"PRECONDITION_FAILED - invalid arg '{argument}' for queue '{name}' in vhost '/' {OF_TYPE.format('classic')}"
    with channel_error(406, text, spec.Basic.Consume):
        ch.call(spec.Basic.Consume(0, name, arguments={argument: "first"}))
