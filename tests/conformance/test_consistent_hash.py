"""x-consistent-hash through AMQP 0-9-1, as RabbitMQ's plugin has it."""

from __future__ import annotations

import pytest
from pamqp.common import FieldTable

from tests.support.marks import differs_from
from tests.support.wire import Channel, channel_error

KIND = "x-consistent-hash"
pytestmark = differs_from("rabbitmq", why="it is a plugin that is not enabled by default")


def declare(ch: Channel, name: str, arguments: FieldTable | None = None, *, weights: str = "11") -> list[str]:
    ch.exchange(name, KIND, arguments)
    queues = [f"{name}-{number}" for number in range(len(weights))]
    for queue, weight in zip(queues, weights, strict=True):
        ch.queue(queue)
        ch.bind(queue, name, weight)
    return queues


def counts(ch: Channel, queues: list[str]) -> list[int]:
    ch.barrier()
    return [ch.count(queue) for queue in queues]


def test_each_message_goes_to_one_queue_by_weight(ch: Channel, name: str) -> None:
    queues = declare(ch, name, weights="13")
    for number in range(1_000):
        ch.publish(str(number), exchange=name)
    first, second = counts(ch, queues)
    assert first + second == 1_000
    assert abs(second - 750) < 80


def test_one_key_goes_to_one_queue(ch: Channel, name: str) -> None:
    queues = declare(ch, name)
    for _ in range(50):
        ch.publish("key", exchange=name)
    assert sorted(counts(ch, queues)) == [0, 50]


def test_a_header_decides_where_it_is_asked_for(ch: Channel, name: str) -> None:
    queues = declare(ch, name, {"hash-header": "customer"})
    for number in range(200):
        ch.publish("same", exchange=name, headers={"customer": str(number)})
    assert min(counts(ch, queues)) > 50


@pytest.mark.parametrize("field", ["message_id", "correlation_id"])
def test_a_property_decides_where_it_is_asked_for(ch: Channel, name: str, field: str) -> None:
    queues = declare(ch, name, {"hash-property": field})
    for number in range(200):
        ch.publish("same", exchange=name, **{field: str(number)})  # type: ignore[arg-type]
    assert min(counts(ch, queues)) > 50


def test_an_unbound_queue_gets_no_more(ch: Channel, name: str) -> None:
    queues = declare(ch, name)
    ch.unbind(queues[0], name, "1")
    for number in range(50):
        ch.publish(str(number), exchange=name)
    assert counts(ch, queues) == [0, 50]


def test_a_weight_that_is_no_number_is_refused(ch: Channel, name: str) -> None:
    ch.exchange(name, KIND)
    ch.queue(name)
    with channel_error(406):
        ch.bind(name, name, "heavy")


def test_a_header_and_a_property_exclude_each_other(ch: Channel, name: str) -> None:
    with channel_error(406):
        ch.exchange(name, KIND, {"hash-header": "a", "hash-property": "message_id"})
