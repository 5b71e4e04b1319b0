"""x-modulus-hash and x-local-random through AMQP 0-9-1, as RabbitMQ 4.3 has them without a plugin."""

from __future__ import annotations

from tests.support.marks import differs_from
from tests.support.wire import Channel, channel_error

pytestmark = differs_from("rabbitmq 3", why="its only relative is the plugin rabbitmq_sharding")


def declare(ch: Channel, name: str, kind: str, *, key: str) -> list[str]:
    ch.exchange(name, kind)
    queues = [f"{name}-{number}" for number in range(2)]
    for queue in queues:
        ch.queue(queue)
        ch.bind(queue, name, key)
    return queues


def counts(ch: Channel, queues: list[str]) -> list[int]:
    ch.barrier()
    return [ch.count(queue) for queue in queues]


def test_the_hash_of_a_key_chooses_a_queue_whatever_the_binding_keys(ch: Channel, name: str) -> None:
    queues = declare(ch, name, "x-modulus-hash", key="without effect")
    for number in range(200):
        ch.publish(str(number), exchange=name)
    first, second = counts(ch, queues)
    assert first + second == 200
    assert min(first, second) > 50


def test_one_key_goes_to_one_queue(ch: Channel, name: str) -> None:
    queues = declare(ch, name, "x-modulus-hash", key="")
    for _ in range(50):
        ch.publish("key", exchange=name)
    assert sorted(counts(ch, queues)) == [0, 50]


def test_one_key_goes_to_any_queue_where_it_is_drawn(ch: Channel, name: str) -> None:
    queues = declare(ch, name, "x-local-random", key="")
    for _ in range(200):
        ch.publish("key", exchange=name)
    first, second = counts(ch, queues)
    assert first + second == 200
    assert min(first, second) > 50


def test_a_binding_key_is_refused_where_it_is_drawn(ch: Channel, name: str) -> None:
    ch.exchange(name, "x-local-random")
    ch.queue(name)
    with channel_error(406):
        ch.bind(name, name, "key")
