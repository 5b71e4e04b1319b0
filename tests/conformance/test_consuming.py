"""AMQP 0-9-1 section 1.8.3: qos, consume, cancel, get, and the settlement of what was delivered."""

from __future__ import annotations

import re
import struct

import pytest
from pamqp import commands as spec

from batonmq.fields import FieldValue
from tests.conftest import Connect
from tests.support.codec import METHOD
from tests.support.marks import differs_from
from tests.support.wire import CAPABILITIES, Channel, Content, channel_error, connection_error

EXCLUSIVE = "ACCESS_REFUSED - queue '{}' in vhost '/' in exclusive use"


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]


def fill(ch: Channel, queue: str, count: int) -> list[bytes]:
    """`count` numbered messages in a new queue."""
    ch.queue(queue)
    for body in numbered(count):
        ch.publish(queue, body)
    ch.await_count(queue, count)
    return numbered(count)


# Consumers and their tags


def test_messages_are_delivered_in_the_order_of_their_arrival(ch: Channel, name: str) -> None:
    bodies = fill(ch, name, 200)
    ch.consume(name, no_ack=True)
    assert ch.bodies(200) == bodies


def test_messages_that_arrive_later_are_delivered_too(ch: Channel, name: str) -> None:
    ch.queue(name)
    tag = ch.consume(name, "mine")
    ch.publish(name, b"later")
    content = ch.message()
    assert (tag, content.consumer, content.body) == ("mine", "mine", b"later")


def test_the_broker_names_a_consumer_without_a_tag(ch: Channel, name: str) -> None:
    ch.queue(name)
    tags = {ch.consume(name) for _ in range(3)}
    assert len(tags) == 3
    assert all(tag.startswith("amq.ctag-") for tag in tags)


def test_a_tag_in_use_on_the_channel_is_refused(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.consume(name, "t")
    with connection_error(530, "NOT_ALLOWED - attempt to reuse consumer tag 't'", spec.Basic.Consume):
        ch.consume(name, "t")


def test_a_tag_may_be_used_on_every_channel(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.consume(name, "t")
    assert ch.wire.channel(2).consume(name, "t") == "t"


def test_a_tag_is_free_after_cancel(ch: Channel, name: str) -> None:
    ch.queue(name)
    for _ in range(3):
        ch.consume(name, "t")
        ch.cancel("t")


def test_consuming_what_is_missing_is_not_found(ch: Channel, name: str) -> None:
    with channel_error(404, f"NOT_FOUND - no queue '{name}' in vhost '/'", spec.Basic.Consume):
        ch.consume(name)


def test_no_local_is_ignored(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.call(spec.Basic.Consume(0, name, no_local=True))
    ch.publish(name, b"own")
    assert ch.message().body == b"own"


def test_consume_nowait_has_no_reply(ch: Channel, name: str) -> None:
    fill(ch, name, 1)
    ch.send(spec.Basic.Consume(0, name, "t", nowait=True))
    assert ch.message().consumer == "t"


@pytest.mark.parametrize("exclusive", [(True, False), (False, True), (True, True)])
def test_an_exclusive_consumer_is_alone(ch: Channel, other: Channel, name: str, exclusive: tuple[bool, bool]) -> None:
    ch.queue(name)
    ch.consume(name, exclusive=exclusive[0])
    with channel_error(403, EXCLUSIVE.format(name), spec.Basic.Consume):
        other.consume(name, exclusive=exclusive[1])


def test_exclusive_use_ends_with_its_consumer(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name)
    ch.cancel(ch.consume(name, exclusive=True))
    other.consume(name, exclusive=True)


# Cancel


def test_nothing_is_delivered_after_cancel_ok(ch: Channel, name: str) -> None:
    ch.queue(name)
    tag = ch.consume(name)
    assert ch.ask(spec.Basic.Cancel(tag), spec.Basic.CancelOk).consumer_tag == tag
    ch.publish(name)
    ch.await_count(name, 1)
    assert ch.quiet()


def test_what_a_cancelled_consumer_holds_stays_in_its_hands(ch: Channel, name: str) -> None:
    fill(ch, name, 2)
    tag = ch.consume(name)
    held = ch.messages(2)
    ch.cancel(tag)
    assert ch.count(name) == 0
    ch.ack(held[0].tag)
    ch.nack(held[1].tag)
    assert ch.await_one(name).body == b"1"


def test_cancel_of_an_unknown_tag_is_answered(ch: Channel) -> None:
    assert ch.ask(spec.Basic.Cancel("unknown"), spec.Basic.CancelOk).consumer_tag == "unknown"


def test_cancel_nowait_has_no_reply(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.send(spec.Basic.Cancel(ch.consume(name), nowait=True))
    ch.send(spec.Channel.Flow(True))
    ch.take(spec.Channel.FlowOk)


def test_deletion_of_the_queue_cancels_its_consumers(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name)
    ch.consume(name, "t")
    other.delete(name)
    assert ch.take(spec.Basic.Cancel).consumer_tag == "t"


def test_who_cannot_hear_of_a_cancel_is_not_told(connect: Connect, other: Channel, name: str) -> None:
    capabilities = {**CAPABILITIES, "consumer_cancel_notify": False}
    ch = connect(capabilities=capabilities).channel()
    ch.queue(name)
    ch.consume(name, "t")
    other.delete(name)
    ch.barrier()
    assert ch.quiet()


@pytest.mark.parametrize("durable", [False, True])
def test_the_notice_of_a_deleted_queue_follows_the_answer_to_who_deleted_it(
    ch: Channel, name: str, durable: bool
) -> None:
    """py-amqp takes a notice that comes first for the answer, and fails."""
    ch.queue(name, durable=durable)
    ch.consume(name, "t")
    ch.send(spec.Queue.Delete(0, name))
    assert isinstance(ch.next(), spec.Queue.DeleteOk)
    assert ch.take(spec.Basic.Cancel).consumer_tag == "t"


# Get


def test_get_tells_how_many_messages_remain(ch: Channel, name: str) -> None:
    fill(ch, name, 3)
    remaining = []
    for _ in range(3):
        method = ch.get_one(name).method
        assert isinstance(method, spec.Basic.GetOk)
        remaining.append(method.message_count)
    assert remaining == [2, 1, 0]
    assert ch.get(name) is None


def test_get_and_deliver_share_the_delivery_tags(ch: Channel, name: str) -> None:
    fill(ch, name, 3)
    tags = [ch.get_one(name).tag, ch.get_one(name, no_ack=True).tag]
    ch.consume(name)
    assert [*tags, ch.message().tag] == [1, 2, 3]


def test_delivery_tags_are_counted_by_channel(ch: Channel, name: str) -> None:
    fill(ch, name, 2)
    assert ch.get_one(name).tag == ch.wire.channel(2).get_one(name).tag == 1


def test_get_is_not_held_back_by_prefetch(ch: Channel, name: str) -> None:
    fill(ch, name, 3)
    ch.qos(1)
    ch.consume(name)
    ch.message()
    assert [ch.get_one(name).body, ch.get_one(name).body] == [b"1", b"2"]


def test_acknowledging_a_get_gives_no_credit_to_a_consumer(ch: Channel, name: str) -> None:
    fill(ch, name, 3)
    got = ch.get_one(name)
    ch.qos(1)
    ch.consume(name)
    ch.message()
    ch.ack(got.tag)
    ch.barrier()
    assert ch.quiet()


# Qos


def test_prefetch_bounds_what_a_consumer_holds(ch: Channel, name: str) -> None:
    fill(ch, name, 10)
    ch.qos(3)
    ch.consume(name)
    held = ch.messages(3)
    assert ch.quiet()
    ch.ack(held[0].tag)
    assert ch.message().body == b"3"


@pytest.mark.parametrize("settle", ["ack", "nack", "reject", "multiple"])
def test_any_settlement_gives_credit(ch: Channel, name: str, settle: str) -> None:
    fill(ch, name, 4)
    ch.qos(2)
    ch.consume(name)
    held = ch.messages(2)
    if settle == "multiple":
        ch.ack(held[1].tag, multiple=True)
    else:
        for content in held:
            if settle == "ack":
                ch.ack(content.tag)
            elif settle == "nack":
                ch.nack(content.tag, requeue=False)
            else:
                ch.reject(content.tag, requeue=False)
    assert ch.bodies(2) == [b"2", b"3"]


def test_prefetch_of_a_consumer_holds_for_later_consumers_only(ch: Channel, name: str) -> None:
    fill(ch, name, 5)
    ch.consume(name)
    ch.qos(1)
    ch.messages(5)


@pytest.mark.parametrize("product", ["pika", "", 7, {"py-amqp": True}, None])
def test_a_consumer_keeps_the_prefetch_that_it_began_with(connect: Connect, name: str, product: FieldValue) -> None:
    wire = connect(properties={"product": product})
    ch = wire.channel()
    fill(ch, name, 10)
    ch.qos(1)
    ch.consume(name, "a")
    ch.qos(5)
    ch.message()
    assert ch.quiet()
    ch.consume(name, "b")
    assert {content.consumer for content in ch.messages(5)} == {"b"}
    assert ch.quiet()


@differs_from("rabbitmq", why="kombu's kind of waiting tasks stall there")
def test_a_later_prefetch_reaches_the_consumers_of_clients_that_count_on_it(connect: Connect, name: str) -> None:
    ch = connect(properties={"product": "py-amqp", "product_version": "5.3.1"}).channel()
    fill(ch, name, 20)
    ch.qos(2)
    ch.consume(name)
    held = ch.messages(2)
    ch.qos(5)
    held += ch.messages(3)
    assert ch.quiet(0.05)
    ch.qos(2)
    for content in held[:3]:
        ch.ack(content.tag)
    ch.barrier()
    assert ch.quiet(0.05)
    ch.ack(held[3].tag)
    ch.message()
    ch.qos(0)
    ch.messages(14)


def test_each_consumer_has_its_own_prefetch(ch: Channel, name: str) -> None:
    fill(ch, name, 10)
    ch.qos(2)
    ch.consume(name, "a")
    ch.qos(3)
    ch.consume(name, "b")
    by = [content.consumer for content in ch.messages(5)]
    assert (by.count("a"), by.count("b")) == (2, 3)
    assert ch.quiet()


def test_a_global_prefetch_is_shared_by_the_channel(ch: Channel, name: str) -> None:
    fill(ch, name, 10)
    ch.qos(3, globally=True)
    ch.consume(name, "a")
    ch.consume(name, "b")
    ch.messages(3)
    assert ch.quiet()


def test_both_prefetches_hold(ch: Channel, name: str) -> None:
    fill(ch, name, 10)
    ch.qos(3)
    ch.qos(4, globally=True)
    ch.consume(name, "a")
    assert len(ch.messages(3)) == 3
    assert ch.quiet()
    ch.consume(name, "b")
    assert ch.message().consumer == "b"
    assert ch.quiet()


def test_a_global_prefetch_raised_later_lets_more_through(ch: Channel, name: str) -> None:
    fill(ch, name, 6)
    ch.qos(1, globally=True)
    ch.consume(name)
    ch.messages(1)
    assert ch.quiet()
    ch.qos(3, globally=True)
    ch.messages(2)
    assert ch.quiet()
    ch.qos(0, globally=True)
    ch.messages(3)


def test_a_global_prefetch_lowered_later_is_kept(ch: Channel, name: str) -> None:
    fill(ch, name, 6)
    ch.qos(3, globally=True)
    ch.consume(name)
    held = ch.messages(3)
    ch.qos(1, globally=True)
    ch.ack(held[1].tag, multiple=True)
    ch.barrier()
    assert ch.quiet()
    ch.ack(held[2].tag)
    assert ch.message().body == b"3"


def test_prefetch_zero_is_no_limit(ch: Channel, name: str) -> None:
    fill(ch, name, 300)
    ch.qos(0)
    ch.consume(name)
    ch.messages(300)


def test_prefetch_does_not_bind_who_does_not_acknowledge(ch: Channel, name: str) -> None:
    fill(ch, name, 20)
    ch.qos(1)
    ch.consume(name, no_ack=True)
    ch.messages(20)


def test_prefetch_by_size_is_not_implemented(ch: Channel) -> None:
    with connection_error(540, "NOT_IMPLEMENTED - prefetch_size!=0 (10)", spec.Basic.Qos):
        ch.call(spec.Basic.Qos(10, 0))


# Fairness and priorities


def test_consumers_take_turns(ch: Channel, name: str) -> None:
    ch.queue(name)
    for tag in "abc":
        ch.consume(name, tag, no_ack=True)
    for _ in range(30):
        ch.publish(name)
    by = [content.consumer for content in ch.messages(30)]
    assert {tag: by.count(tag) for tag in "abc"} == {"a": 10, "b": 10, "c": 10}


def test_a_consumer_without_credit_does_not_hold_up_the_others(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name)
    ch.qos(1)
    ch.consume(name)
    other.qos(10)
    other.consume(name)
    for body in numbered(20):
        other.publish(name, body)
    seen = 0
    while seen < 19:
        other.ack(other.message().tag)
        seen += 1
    ch.message()


def test_a_consumer_of_higher_priority_goes_first(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.qos(2)
    ch.consume(name, "low", {"x-priority": -1})
    ch.consume(name, "middle")
    ch.consume(name, "high", {"x-priority": 10})
    for body in numbered(6):
        ch.publish(name, body)
    assert [content.consumer for content in ch.messages(6)] == ["high", "high", "middle", "middle", "low", "low"]


@pytest.mark.parametrize(("value", "kind"), [("high", "longstr"), (1.5, "float"), (True, "bool")])
def test_a_consumer_priority_is_an_integer(ch: Channel, name: str, value: float | str, kind: str) -> None:
    ch.queue(name)
    text = f"PRECONDITION_FAILED - invalid arg 'x-priority' for queue '{name}' in vhost '/': "
    with channel_error(406, f'{text}"expected integer, got {kind}"', spec.Basic.Consume):
        ch.consume(name, "", {"x-priority": value})


def test_unknown_consumer_arguments_are_ignored(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.consume(name, "t", {"x-mine": {"nested": [1]}})


# Settlement


def test_what_is_acknowledged_is_gone(connect: Connect, ch: Channel, name: str) -> None:
    fill(ch, name, 3)
    wire = connect()
    mine = wire.channel()
    mine.consume(name)
    mine.ack(mine.messages(3)[1].tag, multiple=True)
    mine.barrier()
    wire.close()
    ch.await_count(name, 1)
    assert ch.get_one(name).body == b"2"


def test_acknowledging_tag_zero_means_all(ch: Channel, name: str) -> None:
    fill(ch, name, 3)
    ch.consume(name)
    ch.messages(3)
    ch.ack(0, multiple=True)
    ch.barrier()
    ch.wire.channel(2).queue(name)
    ch.close()
    assert ch.wire.channel(3).count(name) == 0


def test_acknowledging_all_of_nothing_is_allowed(ch: Channel) -> None:
    ch.ack(0, multiple=True)
    ch.barrier()


@pytest.mark.parametrize("how", ["ack", "multiple", "nack", "reject"])
def test_an_unknown_delivery_tag_is_refused(ch: Channel, name: str, how: str) -> None:
    fill(ch, name, 1)
    ch.get(name)
    with channel_error(406, "PRECONDITION_FAILED - unknown delivery tag 82"):
        if how == "nack":
            ch.nack(82)
        elif how == "reject":
            ch.reject(82)
        else:
            ch.ack(82, multiple=how == "multiple")
        ch.barrier()


def test_a_delivery_tag_is_settled_once(ch: Channel, name: str) -> None:
    fill(ch, name, 1)
    tag = ch.get_one(name).tag
    ch.ack(tag)
    with channel_error(406, f"PRECONDITION_FAILED - unknown delivery tag {tag}", spec.Basic.Ack):
        ch.ack(tag)
        ch.barrier()


def test_a_delivery_without_acknowledgement_has_no_tag_to_settle(ch: Channel, name: str) -> None:
    fill(ch, name, 1)
    tag = ch.get_one(name, no_ack=True).tag
    with channel_error(406, f"PRECONDITION_FAILED - unknown delivery tag {tag}", spec.Basic.Ack):
        ch.ack(tag)
        ch.barrier()


def test_a_delivery_is_settled_on_its_own_channel(ch: Channel, name: str) -> None:
    fill(ch, name, 1)
    tag = ch.get_one(name).tag
    with channel_error(406):
        second = ch.wire.channel(2)
        second.ack(tag)
        second.barrier()


@pytest.mark.parametrize("how", ["nack", "reject"])
def test_without_requeue_a_rejected_message_is_gone(ch: Channel, name: str, how: str) -> None:
    fill(ch, name, 2)
    content = ch.get_one(name)
    if how == "nack":
        ch.nack(content.tag, requeue=False)
    else:
        ch.reject(content.tag, requeue=False)
    ch.barrier()
    assert ch.drain(name) == [b"1"]


# Back to the queue


@pytest.mark.parametrize("how", ["nack", "reject"])
def test_a_requeued_message_is_back_in_its_place_and_marked(ch: Channel, name: str, how: str) -> None:
    bodies = fill(ch, name, 3)
    first = ch.get_one(name)
    assert not first.redelivered
    if how == "nack":
        ch.nack(first.tag)
    else:
        ch.reject(first.tag)
    ch.barrier()
    ch.await_count(name, 3)
    again = ch.get_one(name, no_ack=True)
    assert (again.body, again.redelivered) == (b"0", True)
    assert ch.drain(name) == bodies[1:]


def test_messages_requeued_together_keep_their_order(ch: Channel, name: str) -> None:
    bodies = fill(ch, name, 10)
    held = [ch.get_one(name) for _ in range(6)]
    ch.nack(held[5].tag, multiple=True)
    ch.await_count(name, 10)
    assert ch.drain(name) == bodies


def test_messages_requeued_in_any_order_are_back_in_their_places(ch: Channel, name: str) -> None:
    bodies = fill(ch, name, 8)
    held = [ch.get_one(name) for _ in range(8)]
    for index in (5, 0, 7, 2, 1, 6, 4, 3):
        ch.nack(held[index].tag)
    ch.await_count(name, 8)
    assert ch.drain(name) == bodies


def test_a_requeued_message_may_come_back_to_its_only_consumer(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.consume(name)
    ch.publish(name, b"x")
    first = ch.message()
    ch.nack(first.tag)
    again = ch.message()
    assert (again.body, again.redelivered, again.tag) == (b"x", True, first.tag + 1)


@pytest.mark.parametrize("end", ["channel", "close", "abort"])
def test_what_a_consumer_held_comes_back_in_order_when_it_goes(
    connect: Connect, ch: Channel, name: str, end: str
) -> None:
    bodies = fill(ch, name, 500)
    wire = connect()
    mine = wire.channel()
    mine.consume(name)
    mine.messages(500)
    if end == "channel":
        mine.close()
    else:
        getattr(wire, end)()
    if end != "abort":
        assert ch.count(name) == 500
    ch.await_count(name, 500)
    back = [ch.get_one(name, no_ack=True) for _ in range(500)]
    assert [content.body for content in back] == bodies
    assert all(content.redelivered for content in back)


def test_what_was_delivered_without_acknowledgement_does_not_come_back(
    connect: Connect, ch: Channel, name: str
) -> None:
    fill(ch, name, 5)
    wire = connect()
    mine = wire.channel()
    mine.consume(name, no_ack=True)
    mine.messages(5)
    wire.close()
    assert ch.count(name) == 0


def test_messages_that_nobody_has_seen_are_not_marked(connect: Connect, ch: Channel, name: str) -> None:
    fill(ch, name, 3)
    wire = connect()
    mine = wire.channel()
    mine.get(name)
    wire.close()
    ch.await_count(name, 3)
    assert [ch.get_one(name).redelivered for _ in range(3)] == [True, False, False]


# Recover


def test_recover_delivers_again_what_was_not_settled(ch: Channel, name: str) -> None:
    bodies = fill(ch, name, 3)
    ch.consume(name)
    ch.messages(3)
    ch.call(spec.Basic.Recover(True))
    again = ch.messages(3)
    assert [content.body for content in again] == bodies
    assert all(content.redelivered for content in again)


def test_recover_gives_back_to_the_queue_when_the_consumer_is_gone(ch: Channel, name: str) -> None:
    bodies = fill(ch, name, 3)
    tag = ch.consume(name)
    ch.messages(3)
    ch.cancel(tag)
    ch.call(spec.Basic.Recover(True))
    ch.await_count(name, 3)
    assert ch.drain(name) == bodies


def test_recover_async_has_no_reply(ch: Channel, name: str) -> None:
    fill(ch, name, 1)
    ch.get(name)
    ch.wire.send_frame(METHOD, 1, struct.pack(">HHB", 60, 100, 1))
    ch.send(spec.Channel.Flow(True))
    ch.take(spec.Channel.FlowOk)
    assert ch.await_one(name).redelivered


def test_recover_without_requeue_is_not_implemented(ch: Channel) -> None:
    with connection_error(540, "NOT_IMPLEMENTED - requeue=false", spec.Basic.Recover):
        ch.call(spec.Basic.Recover(False))


# Between connections


def test_each_message_goes_to_one_consumer(connect: Connect, ch: Channel, name: str) -> None:
    ch.queue(name)
    consumers = [connect().channel() for _ in range(4)]
    for consumer in consumers:
        consumer.qos(5)
        consumer.consume(name)
    for body in numbered(200):
        ch.publish(name, body)
    seen: list[bytes] = []
    while len(seen) < 200:
        for consumer in consumers:
            while not consumer.quiet(0.001):
                content = consumer.message()
                seen.append(content.body)
                consumer.ack(content.tag)
    assert sorted(seen, key=int) == numbered(200)


def test_a_delivery_is_a_content(ch: Channel, name: str) -> None:
    fill(ch, name, 1)
    ch.consume(name)
    assert isinstance(ch.next(), Content)


def test_a_consumer_tag_is_up_to_255_octets(ch: Channel, name: str) -> None:
    ch.queue(name)
    assert re.fullmatch("t{255}", ch.consume(name, "t" * 255))
