"""AMQP 0-9-1 section 1.9: what a transactional channel does happens at commit, all of it or none."""

from __future__ import annotations

import pytest
from pamqp import commands as spec

from tests.support.marks import differs_from
from tests.support.wire import Channel, channel_error

PERSISTENT = spec.Basic.Properties(delivery_mode=2)


@pytest.fixture
def tx(ch: Channel) -> Channel:
    ch.call(spec.Tx.Select())
    return ch


def commit(ch: Channel) -> None:
    ch.call(spec.Tx.Commit())


def rollback(ch: Channel) -> None:
    ch.call(spec.Tx.Rollback())


def filled(ch: Channel, queue: str, count: int) -> None:
    ch.queue(queue)
    for number in range(count):
        ch.publish(queue, b"%d" % number)
    ch.await_count(queue, count)


def test_select_may_be_repeated(tx: Channel) -> None:
    tx.call(spec.Tx.Select())


@pytest.mark.parametrize("method", [spec.Tx.Commit(), spec.Tx.Rollback()], ids=lambda method: method.name)
def test_commit_and_rollback_need_a_select(ch: Channel, method: spec.Tx.Commit) -> None:
    with channel_error(406, "PRECONDITION_FAILED - channel is not transactional", type(method)):
        ch.call(method)


def test_a_commit_of_nothing_is_answered(tx: Channel) -> None:
    commit(tx)
    rollback(tx)


def test_publishes_are_invisible_until_commit(tx: Channel, other: Channel, name: str) -> None:
    tx.queue(name)
    for number in range(3):
        tx.publish(name, b"%d" % number)
    tx.barrier()
    assert other.count(name) == 0
    commit(tx)
    other.await_count(name, 3)
    assert other.drain(name) == [b"0", b"1", b"2"]


def test_publishes_are_dropped_by_rollback(tx: Channel, other: Channel, name: str) -> None:
    tx.queue(name)
    tx.publish(name, b"dropped")
    rollback(tx)
    tx.publish(name, b"kept")
    commit(tx)
    other.await_count(name, 1)
    assert other.drain(name) == [b"kept"]


@pytest.mark.parametrize("end", ["channel", "connection"])
def test_publishes_are_dropped_when_the_channel_ends(tx: Channel, other: Channel, name: str, end: str) -> None:
    other.queue(name)
    tx.publish(name)
    if end == "channel":
        tx.close()
    else:
        tx.wire.close()
    assert other.count(name) == 0


def test_a_commit_reaches_several_queues(tx: Channel, other: Channel, name: str) -> None:
    queues = [f"{name}-{number}" for number in range(3)]
    for queue in queues:
        tx.queue(queue, durable=True)
        tx.publish(queue, b"1", properties=PERSISTENT)
        tx.publish(queue, b"2", properties=PERSISTENT)
    commit(tx)
    for queue in queues:
        other.await_count(queue, 2)
        assert other.drain(queue) == [b"1", b"2"]


def test_a_consumer_gets_what_was_published_at_commit(tx: Channel, other: Channel, name: str) -> None:
    tx.queue(name)
    other.consume(name)
    tx.publish(name, b"x")
    tx.barrier()
    assert other.quiet()
    commit(tx)
    assert other.message().body == b"x"


def test_an_unroutable_mandatory_message_is_returned_at_commit(tx: Channel, name: str) -> None:
    tx.publish(name, mandatory=True)
    tx.barrier()
    assert tx.quiet()
    tx.send(spec.Tx.Commit())
    assert isinstance(tx.message().method, spec.Basic.Return)
    tx.take(spec.Tx.CommitOk)


def test_publishing_to_a_missing_exchange_fails_at_once(tx: Channel, name: str) -> None:
    with channel_error(404, method=spec.Basic.Publish):
        tx.publish("k", exchange=name)
        tx.barrier()


def test_acknowledgements_wait_for_commit(tx: Channel, other: Channel, name: str) -> None:
    filled(other, name, 2)
    first, second = tx.get_one(name), tx.get_one(name)
    tx.ack(first.tag)
    commit(tx)
    tx.ack(second.tag)
    tx.close()
    other.await_count(name, 1)
    assert other.get_one(name).body == b"1"


def test_rollback_takes_back_acknowledgements_but_not_messages(tx: Channel, other: Channel, name: str) -> None:
    filled(other, name, 1)
    tag = tx.get_one(name).tag
    tx.ack(tag)
    rollback(tx)
    assert other.count(name) == 0
    assert tx.quiet()
    tx.ack(tag)
    commit(tx)
    tx.close()
    assert other.count(name) == 0


def test_acknowledgements_in_any_order_are_rolled_back(tx: Channel, other: Channel, name: str) -> None:
    filled(other, name, 4)
    tags = [tx.get_one(name).tag for _ in range(4)]
    tx.ack(tags[2])
    tx.ack(tags[1], multiple=True)
    tx.ack(tags[3])
    rollback(tx)
    tx.ack(tags[3], multiple=True)
    commit(tx)
    tx.close()
    assert other.count(name) == 0


@pytest.mark.parametrize("how", ["nack", "reject"])
def test_a_requeue_waits_for_commit(tx: Channel, other: Channel, name: str, how: str) -> None:
    filled(other, name, 1)
    tag = tx.get_one(name).tag
    if how == "nack":
        tx.nack(tag)
    else:
        tx.reject(tag)
    tx.barrier()
    assert other.count(name) == 0
    commit(tx)
    other.await_count(name, 1)


def test_a_rejection_is_taken_back_by_rollback(tx: Channel, other: Channel, name: str) -> None:
    filled(other, name, 1)
    tag = tx.get_one(name).tag
    tx.reject(tag, requeue=False)
    rollback(tx)
    tx.close()
    other.await_count(name, 1)


def test_an_unknown_delivery_tag_fails_at_once(tx: Channel) -> None:
    with channel_error(406, "PRECONDITION_FAILED - unknown delivery tag 5", spec.Basic.Ack):
        tx.ack(5)
        tx.barrier()


def test_a_tag_settled_in_the_same_transaction_is_unknown(tx: Channel, other: Channel, name: str) -> None:
    filled(other, name, 1)
    tag = tx.get_one(name).tag
    tx.ack(tag)
    with channel_error(406, f"PRECONDITION_FAILED - unknown delivery tag {tag}", spec.Basic.Ack):
        tx.ack(tag)
        tx.barrier()


def test_messages_taken_without_acknowledgement_are_not_transactional(tx: Channel, other: Channel, name: str) -> None:
    filled(other, name, 1)
    tx.get_one(name, no_ack=True)
    rollback(tx)
    tx.close()
    assert other.count(name) == 0


def test_recover_does_not_bring_back_what_was_acknowledged(tx: Channel, other: Channel, name: str) -> None:
    filled(other, name, 2)
    tx.consume(name)
    held = tx.messages(2)
    tx.ack(held[0].tag)
    tx.call(spec.Basic.Recover(True))
    assert tx.message().body == b"1"
    assert tx.quiet()


def test_publishes_and_acknowledgements_are_committed_together(tx: Channel, other: Channel, name: str) -> None:
    filled(other, name, 1)
    other.queue(name + "-next")
    content = tx.get_one(name)
    tx.publish(name + "-next", content.body)
    tx.ack(content.tag)
    commit(tx)
    tx.close()
    other.await_count(name + "-next", 1)
    assert other.count(name) == 0


def test_channels_have_transactions_of_their_own(tx: Channel, other: Channel, name: str) -> None:
    second = tx.wire.channel(2)
    second.call(spec.Tx.Select())
    tx.queue(name)
    tx.publish(name, b"first")
    second.publish(name, b"second")
    commit(second)
    other.await_count(name, 1)
    assert other.drain(name) == [b"second"]


@differs_from("rabbitmq", why="it keeps what other queues have taken, and says so in other words")
def test_a_commit_that_a_full_queue_would_refuse_does_nothing(tx: Channel, other: Channel, name: str) -> None:
    filled(other, name, 1)
    full = f"{name}-full"
    tx.queue(full, {"x-max-length": 2, "x-overflow": "reject-publish"})
    tx.ack(tx.get_one(name).tag)
    tx.publish(name, b"other")
    for number in range(3):
        tx.publish(full, b"%d" % number)
    with channel_error(
        406, f"PRECONDITION_FAILED - the transaction cannot be kept: queue '{full}' is full", spec.Tx.Commit
    ):
        commit(tx)
    assert other.count(full) == 0
    other.await_count(name, 1)
    assert other.drain(name) == [b"0"]


@differs_from("rabbitmq", why="it has no delays")
def test_a_full_queue_takes_what_waits_for_its_time_in_a_transaction(tx: Channel, other: Channel, name: str) -> None:
    tx.queue(name, {"x-max-length": 1, "x-overflow": "reject-publish"})
    tx.publish(name, b"now")
    tx.publish(name, b"later", headers={"x-delay": 3_600_000})
    commit(tx)
    assert other.count(name) == 1
