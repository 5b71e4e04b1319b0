"""RabbitMQ's direct reply-to: answers without a queue, over the pseudo-queue amq.rabbitmq.reply-to."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp import commands as spec

from tests.support.marks import differs_from
from tests.support.wire import Channel, channel_error, connection_error

PSEUDO = "amq.rabbitmq.reply-to"


def ask(ch: Channel, server: Channel, name: str) -> str:
    """Sends a request and returns the address that the server sees."""
    server.queue(name)
    ch.consume(PSEUDO, no_ack=True)
    ch.publish(name, b"question", reply_to=PSEUDO)
    return str(server.await_one(name).properties.reply_to)


def test_a_reply_reaches_who_asked(ch: Channel, other: Channel, name: str) -> None:
    address = ask(ch, other, name)
    assert address.startswith(PSEUDO + ".")
    other.publish(address, b"answer", correlation_id="7")
    reply = ch.message()
    assert (reply.body, reply.properties.correlation_id) == (b"answer", "7")


def test_several_replies_may_come(ch: Channel, other: Channel, name: str) -> None:
    address = ask(ch, other, name)
    for number in range(20):
        other.publish(address, b"%d" % number)
    assert ch.bodies(20) == [b"%d" % number for number in range(20)]


def test_a_reply_consumer_does_not_acknowledge(ch: Channel) -> None:
    with channel_error(406, "PRECONDITION_FAILED - reply consumer cannot acknowledge", spec.Basic.Consume):
        ch.consume(PSEUDO)


def test_a_channel_has_one_reply_consumer(ch: Channel) -> None:
    ch.consume(PSEUDO, no_ack=True)
    with channel_error(406, "PRECONDITION_FAILED - reply consumer already set", spec.Basic.Consume):
        ch.consume(PSEUDO, no_ack=True)


def test_a_request_needs_a_reply_consumer(ch: Channel, name: str) -> None:
    ch.queue(name)
    with channel_error(406, "PRECONDITION_FAILED - fast reply consumer does not exist", spec.Basic.Publish):
        ch.publish(name, reply_to=PSEUDO)
        ch.barrier()


def test_a_reply_consumer_may_be_cancelled_and_set_again(ch: Channel, other: Channel, name: str) -> None:
    ch.cancel(ch.consume(PSEUDO, no_ack=True))
    address = ask(ch, other, name)
    other.publish(address, b"answer")
    assert ch.message().body == b"answer"


def test_the_address_can_be_looked_up_while_somebody_listens(ch: Channel, other: Channel, name: str) -> None:
    address = ask(ch, other, name)
    reply = other.queue(address, passive=True)
    assert (reply.queue, reply.message_count, reply.consumer_count) == (address, 0, 1)
    ch.close()
    with channel_error(404, f"NOT_FOUND - no queue '{address}' in vhost '/'", spec.Queue.Declare):
        other.queue(address, passive=True)


ANY_FLAGS = [
    {},
    {"passive": True},
    {"durable": True},
    {"exclusive": True, "auto_delete": True},
    {"durable": True, "arguments": {"x-queue-type": "quorum", "x-message-ttl": "of no kind"}},
]


@pytest.mark.parametrize("flags", ANY_FLAGS)
def test_the_pseudo_queue_can_be_declared_with_any_flags(ch: Channel, flags: dict[str, Any]) -> None:
    for _ in range(2):
        reply = ch.queue(PSEUDO, **flags)
        assert (reply.queue, reply.message_count, reply.consumer_count) == (PSEUDO, 0, 1)
        ch.consume(PSEUDO, no_ack=True, tag="replies")
        ch.cancel("replies")


@pytest.mark.parametrize("flags", ANY_FLAGS)
def test_an_address_can_be_declared_while_somebody_listens(
    ch: Channel, other: Channel, name: str, flags: dict[str, Any]
) -> None:
    address = ask(ch, other, name)
    reply = other.queue(address, **flags)
    assert (reply.queue, reply.message_count, reply.consumer_count) == (address, 0, 1)
    ch.close()
    with channel_error(404, f"NOT_FOUND - no queue '{address}' in vhost '/'", spec.Queue.Declare):
        other.queue(address, **flags)


@pytest.mark.parametrize("wrong", [".", ".x", "x"])
@pytest.mark.parametrize("passive", [False, True])
@differs_from("rabbitmq 4.3", why="it answers with 541")
def test_an_address_that_was_never_given_is_not_made(ch: Channel, wrong: str, passive: bool) -> None:
    with channel_error(404, f"NOT_FOUND - no queue '{PSEUDO + wrong}' in vhost '/'", spec.Queue.Declare):
        ch.queue(PSEUDO + wrong, passive=passive)


def test_a_declared_pseudo_queue_is_the_last_declared(ch: Channel) -> None:
    ch.queue(PSEUDO)
    ch.consume("", no_ack=True)


def test_a_deleted_pseudo_queue_is_there_all_the_same(ch: Channel, other: Channel, name: str) -> None:
    address = ask(ch, other, name)
    assert (ch.delete(PSEUDO), other.delete(address)) == (0, 0)
    other.publish(address, b"answer")
    assert ch.message().body == b"answer"


@differs_from("rabbitmq 3.10", why="addresses are queues, of a kind, from 4.2 on")
def test_an_address_holds_nothing_and_is_bound_to_nothing(ch: Channel, other: Channel, name: str) -> None:
    address = ask(ch, other, name)
    assert other.ask(spec.Queue.Purge(queue=address), spec.Queue.PurgeOk).message_count == 0
    for method in (spec.Queue.Bind(0, address, "amq.direct", "k"), spec.Queue.Unbind(0, address, "amq.direct", "k")):
        with channel_error(
            403, "ACCESS_REFUSED - cannot bind or unbind to a volatile (direct reply-to) queue", type(method)
        ):
            other.call(method)
        other = other.wire.channel(other.number + 1)


@differs_from("rabbitmq 3.10", why="addresses are queues, of a kind, from 4.2 on")
def test_nobody_else_takes_from_an_address(ch: Channel, other: Channel, name: str) -> None:
    address = ask(ch, other, name)
    for channel, fault in (
        (other, "only creator channel may consume from"),
        (ch, "multiple consumers are unsupported for"),
    ):
        said = f"PRECONDITION_FAILED - {fault} queue '{address}' in vhost '/'"
        with channel_error(406, said, spec.Basic.Consume):
            channel.consume(address, no_ack=True)
    asking, fetching = ch.wire.channel(2), other.wire.channel(2)
    address = ask(asking, fetching, name)
    said = f"NOT_IMPLEMENTED - basic.get not supported by volatile queue '{address}' in vhost '/'"
    with connection_error(540, said, spec.Basic.Get):
        fetching.get(address)


@pytest.mark.parametrize(
    "mandatory", [False, pytest.param(True, marks=differs_from("rabbitmq 3.10", why="it returns what it delivers"))]
)
def test_a_reply_is_confirmed(ch: Channel, other: Channel, name: str, mandatory: bool) -> None:
    address = ask(ch, other, name)
    other.select()
    other.publish(address, b"answer", mandatory=mandatory)
    assert isinstance(other.next(), spec.Basic.Ack)
    assert ch.message().body == b"answer"


def test_a_mandatory_reply_to_nobody_is_returned(ch: Channel, other: Channel, name: str) -> None:
    address = ask(ch, other, name)
    ch.close()
    other.publish(address, b"answer", mandatory=True)
    assert isinstance(other.message().method, spec.Basic.Return)


@pytest.mark.parametrize(
    "wrong",
    [
        "x",
        ".x",
        pytest.param(".g1.2", marks=differs_from("rabbitmq 3.10", why="it answers with 541")),
        "." + "A" * 60,
        ".\u00e4",
    ],
)
def test_an_address_that_was_never_given_is_dropped(ch: Channel, other: Channel, name: str, wrong: str) -> None:
    ask(ch, other, name)
    other.publish(PSEUDO + wrong, b"answer")
    other.barrier()
    assert ch.quiet()


def test_a_reply_to_of_ones_own_is_left_alone(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name, reply_to="my-queue")
    assert ch.await_one(name).properties.reply_to == "my-queue"


def test_other_properties_of_a_request_are_left_alone(ch: Channel, other: Channel, name: str) -> None:
    other.queue(name)
    ch.consume(PSEUDO, no_ack=True)
    ch.publish(name, reply_to=PSEUDO, correlation_id="c", headers={"h": 1}, message_id="m")
    properties = other.await_one(name).properties
    assert (properties.correlation_id, properties.headers, properties.message_id) == ("c", {"h": 1}, "m")


def test_replies_come_to_the_channel_that_asked(ch: Channel, other: Channel, name: str) -> None:
    second = ch.wire.channel(2)
    addresses = [ask(channel, other, name) for channel in (ch, second)]
    for number, address in enumerate(addresses):
        other.publish(address, b"%d" % number)
    assert (ch.message().body, second.message().body) == (b"0", b"1")
