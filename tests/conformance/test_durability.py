"""The contract's promise on a confirm: what survives an orderly stop, and what survives kill -9."""

from __future__ import annotations

import contextlib

import pytest
from pamqp import commands as spec
from pamqp.common import FieldTable

from tests.conformance.conftest import Again
from tests.support.broker import STOP, Broker
from tests.support.wire import Channel, ConnectionClosed, Dropped, channel_error

PERSISTENT = spec.Basic.Properties(delivery_mode=2)
TRANSIENT = spec.Basic.Properties(delivery_mode=1)


def commit(ch: Channel, queue: str) -> None:
    """Returns when all that the broker did before is committed: a later persistent message is confirmed."""
    ch.queue(queue + "-later", durable=True)
    if not ch.published:
        ch.select()
    ch.publish(queue + "-later", properties=PERSISTENT)
    ch.confirmed()


def publish(ch: Channel, queue: str, count: int, properties: spec.Basic.Properties = PERSISTENT) -> list[bytes]:
    bodies = [b"%d" % number for number in range(count)]
    ch.select()
    for body in bodies:
        ch.publish(queue, body, properties=properties)
    assert all(ch.confirmed().values())
    return bodies


def test_ten_thousand_confirmed_messages_survive_in_order(first: Channel, again: Again, name: str) -> None:
    first.queue(name, durable=True)
    bodies = publish(first, name, 10_000)
    ch = again()
    assert ch.count(name) == 10_000
    ch.consume(name, no_ack=True)
    contents = ch.messages(10_000)
    assert [content.body for content in contents] == bodies
    assert not any(content.redelivered for content in contents)


def test_a_message_survives_with_all_its_properties(first: Channel, again: Again, name: str) -> None:
    first.queue(name, durable=True)
    first.select()
    headers = {"text": "schön", "number": 7, "nested": {"list": [1, None, True]}}
    body = bytes(range(256)) * 1000
    first.publish(name, body, delivery_mode=2, headers=headers, correlation_id="c", priority=3, content_type="t")
    first.confirmed()
    content = again().get_one(name)
    properties = content.properties
    assert (content.body, properties.headers, properties.correlation_id) == (body, headers, "c")
    assert (properties.priority, properties.content_type, properties.delivery_mode) == (3, "t", 2)


def test_what_was_delivered_and_not_settled_comes_back_marked(first: Channel, again: Again, name: str) -> None:
    first.queue(name, durable=True)
    publish(first, name, 5)
    for _ in range(3):
        first.get(name)
    ch = again()
    contents = [ch.get_one(name) for _ in range(5)]
    assert [content.body for content in contents] == [b"0", b"1", b"2", b"3", b"4"]
    assert [content.redelivered for content in contents] == [True, True, True, False, False]


@pytest.mark.parametrize("pause", [False, True], ids=["at-once", "from-the-store"])
def test_what_a_consumer_has_seen_comes_back_marked(first: Channel, again: Again, name: str, pause: bool) -> None:
    """The mark is in the store before the client has the message, whether it was published just now or long ago."""
    first.queue(name, durable=True)
    if pause:
        publish(first, name, 5)
    first.qos(3)
    first.consume(name)
    if not pause:
        publish(first, name, 5)
    first.messages(3)
    ch = again()
    assert [ch.get_one(name).redelivered for _ in range(5)] == [True, True, True, False, False]


def test_what_was_acknowledged_stays_gone(first: Channel, again: Again, name: str) -> None:
    first.queue(name, durable=True)
    publish(first, name, 10)
    first.consume(name)
    held = first.messages(10)
    first.ack(held[4].tag, multiple=True)
    first.nack(held[5].tag, requeue=False)
    commit(first, name)
    assert again().drain(name) == [b"6", b"7", b"8", b"9"]


def test_transient_messages_are_gone(first: Channel, again: Again, name: str) -> None:
    first.queue(name, durable=True)
    publish(first, name, 3, TRANSIENT)
    assert again().count(name) == 0


def test_transient_and_exclusive_queues_are_gone(first: Channel, again: Again, name: str) -> None:
    first.queue(name + "-transient")
    first.queue(name + "-exclusive", durable=True, exclusive=True)
    ch = again()
    for number, suffix in enumerate(("-transient", "-exclusive")):
        with channel_error(404):
            ch.wire.channel(number + 2).queue(name + suffix, passive=True)


def test_durable_queues_keep_their_arguments(first: Channel, again: Again, name: str) -> None:
    arguments = {"x-max-length": 7, "x-message-ttl": 600_000, "x-dead-letter-exchange": "", "x-mine": {"a": [1]}}
    first.queue(name, arguments, durable=True)  # type: ignore[arg-type]
    ch = again()
    ch.queue(name, arguments, durable=True)  # type: ignore[arg-type]
    with channel_error(406):
        ch.queue(name, {"x-max-length": 8}, durable=True)


def test_durable_exchanges_and_bindings_survive(first: Channel, again: Again, name: str) -> None:
    first.queue(name, durable=True)
    first.queue(name + "-h", durable=True)
    for kind in ("topic", "fanout", "headers"):
        first.exchange(f"{name}-{kind}", kind, durable=True)
    first.bind(name, f"{name}-topic", "a.#")
    first.bind_exchange(f"{name}-topic", f"{name}-fanout")
    first.bind(name + "-h", f"{name}-headers", "", {"x-match": "any", "k": 1})
    ch = again()
    ch.publish("a.b", b"1", exchange=f"{name}-fanout")
    assert ch.await_one(name).body == b"1"
    ch.publish("", b"2", exchange=f"{name}-headers", headers={"k": 1})
    assert ch.await_one(name + "-h").body == b"2"


def test_transient_exchanges_and_their_bindings_are_gone(first: Channel, again: Again, name: str) -> None:
    first.queue(name, durable=True)
    first.exchange(name, "fanout")
    first.bind(name, name)
    ch = again()
    with channel_error(404):
        ch.wire.channel(2).exchange(name, passive=True)
    ch.exchange(name, "fanout")
    ch.publish("", exchange=name)
    ch.barrier()
    assert ch.count(name) == 0


def test_what_was_deleted_stays_deleted(first: Channel, again: Again, name: str) -> None:
    first.queue(name, durable=True)
    first.exchange(name, durable=True)
    first.queue(name + "-unbound", durable=True)
    first.bind(name + "-unbound", "amq.direct", name)
    publish(first, name, 3)
    first.delete(name)
    first.call(spec.Exchange.Delete(0, name))
    first.unbind(name + "-unbound", "amq.direct", name)
    ch = again()
    with channel_error(404):
        ch.wire.channel(2).queue(name, passive=True)
    with channel_error(404):
        ch.wire.channel(3).exchange(name, passive=True)
    ch.publish(name, exchange="amq.direct")
    ch.barrier()
    assert ch.count(name + "-unbound") == 0


def test_what_was_purged_stays_gone(first: Channel, again: Again, name: str) -> None:
    first.queue(name, durable=True)
    publish(first, name, 10)
    first.call(spec.Queue.Purge(0, name))
    assert again().count(name) == 0


def test_a_requeued_message_keeps_its_place(first: Channel, again: Again, name: str) -> None:
    first.queue(name, durable=True)
    bodies = publish(first, name, 5)
    held = [first.get_one(name) for _ in range(3)]
    first.nack(held[1].tag)
    first.nack(held[0].tag)
    first.nack(held[2].tag)
    commit(first, name)
    assert again().drain(name) == bodies


def test_a_committed_transaction_survives_over_all_its_queues(first: Channel, again: Again, name: str) -> None:
    queues = [f"{name}-{number}" for number in range(3)]
    first.call(spec.Tx.Select())
    for queue in queues:
        first.queue(queue, durable=True)
        for number in range(100):
            first.publish(queue, b"%d" % number, properties=PERSISTENT)
    first.call(spec.Tx.Commit())
    first.publish(queues[0], b"uncommitted", properties=PERSISTENT)
    first.barrier()
    ch = again()
    assert [ch.count(queue) for queue in queues] == [100, 100, 100]


def test_a_transaction_under_way_is_all_or_nothing(own_broker: Broker, enter: Again, first: Channel, name: str) -> None:
    """Killed between the commit and its answer, at a moment that nobody chose."""
    queues = [f"{name}-{number}" for number in range(3)]
    for queue in queues:
        first.queue(queue, durable=True)
    first.call(spec.Tx.Select())
    for number in range(300):
        for queue in queues:
            first.publish(queue, b"%d" % number, properties=PERSISTENT)
    first.barrier()
    first.send(spec.Tx.Commit())
    own_broker.kill()
    own_broker.start()
    ch = enter()
    assert {ch.count(queue) for queue in queues} in ({0}, {300})


def test_what_was_confirmed_before_a_kill_is_there(own_broker: Broker, enter: Again, first: Channel, name: str) -> None:
    """Killed under load: at least what was confirmed, in order, and no message twice."""
    first.queue(name, durable=True)
    first.select()
    for number in range(5_000):
        first.publish(name, b"%d" % number, properties=PERSISTENT)
    confirmed = 0
    while confirmed < 1_000:
        confirmed = int(first.take(spec.Basic.Ack).delivery_tag or 0)
    own_broker.kill()
    own_broker.start()
    ch = enter()
    bodies = [int(body) for body in ch.drain(name)]
    assert len(bodies) >= confirmed
    assert bodies == list(range(len(bodies)))


def test_delivery_counts_survive(first: Channel, again: Again, name: str) -> None:
    first.queue(name, {"x-queue-type": "quorum"}, durable=True)
    publish(first, name, 1)
    for _ in range(2):
        first.nack(first.await_one(name, no_ack=False).tag)
    first.await_count(name, 1)
    commit(first, name)
    assert again().get_one(name).headers["x-delivery-count"] == 2


def test_an_orderly_stop_tells_the_clients(own_broker: Broker, first: Channel) -> None:
    assert own_broker.process is not None
    own_broker.process.terminate()
    with pytest.raises(ConnectionClosed) as end:
        first.wire.next()
    assert end.value.code == 320
    first.wire.abort()
    assert own_broker.process.wait(STOP) == 0


def test_an_orderly_stop_confirms_what_it_took(own_broker: Broker, enter: Again, first: Channel, name: str) -> None:
    first.queue(name, durable=True)
    first.select()
    for number in range(1_000):
        first.publish(name, b"%d" % number, properties=PERSISTENT)
    assert own_broker.process is not None
    own_broker.process.terminate()
    confirmed = 0
    with contextlib.suppress(ConnectionClosed, Dropped):
        while True:
            confirmed = int(first.take(spec.Basic.Ack).delivery_tag or 0)
    first.wire.abort()
    assert own_broker.process.wait(STOP) == 0
    own_broker.start()
    ch = enter()
    assert ch.count(name) >= confirmed


def test_a_broker_killed_over_and_over_keeps_what_it_confirmed(own_broker: Broker, enter: Again, name: str) -> None:
    total = 0
    for _ in range(3):
        ch = enter()
        ch.queue(name, durable=True)
        assert ch.count(name) == total
        publish(ch, name, 100)
        total += 100
        own_broker.kill()
        own_broker.start()


def test_the_brokers_record_of_deaths_stays_its_own(first: Channel, again: Again, name: str) -> None:
    """A cycle through a rejection is counted on, and what a client wrote into the same header is not."""
    arguments: FieldTable = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name + "-wait"}
    first.queue(name, arguments, durable=True)
    first.queue(name + "-wait", {**arguments, "x-dead-letter-routing-key": name}, durable=True)
    first.select()
    forged: FieldTable = {"x-death": [{"queue": name, "reason": "rejected", "count": 7}]}
    for body in (b"own", b"forged"):
        first.publish(name, body, delivery_mode=2, headers=forged)
    first.confirmed()
    first.reject(first.await_one(name, no_ack=False).tag, requeue=False)
    first.reject(first.await_one(name + "-wait", no_ack=False).tag, requeue=False)
    first.await_count(name, 2)
    commit(first, name)
    ch = again()
    counts: dict[bytes, object] = {}
    for _ in range(2):
        ch.reject(ch.await_one(name, no_ack=False).tag, requeue=False)
        content = ch.await_one(name + "-wait")
        entries = content.headers["x-death"]
        assert isinstance(entries, list)
        assert isinstance(entries[0], dict)
        counts[content.body] = entries[0]["count"]
    assert counts == {b"own": 2, b"forged": 1}


@pytest.mark.parametrize("again", ["kill"], indirect=True)
def test_a_broker_whose_file_was_deleted_says_so_at_once_and_confirms_nothing(
    own_broker: Broker, first: Channel, again: Again, name: str
) -> None:
    first.queue(name, durable=True)
    publish(first, name, 1)
    (own_broker.folder / "data" / "batonmq.db").unlink()
    while "was deleted or replaced" not in own_broker.output():
        first.barrier()
    first.publish(name, properties=PERSISTENT)
    assert list(first.confirmed().values())[-1] is False
    ch = again()
    with channel_error(404):
        ch.queue(name, passive=True)
