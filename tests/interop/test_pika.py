"""pika: its blocking connection, and its asyncio adapter."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pika
import pytest
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.channel import Channel
from pika.exceptions import (
    ChannelClosedByBroker,
    NackError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    UnroutableError,
)

from tests.support.waiting import in_time
from tests.support.wire import Address

# For a busy machine.
SOON = 30.0

PERSISTENT = pika.BasicProperties(delivery_mode=2)


@pytest.fixture
def connection(amqp: Address) -> Iterator[BlockingConnection]:
    connection = BlockingConnection(pika.URLParameters(amqp.url + "%2F"))
    yield connection
    if connection.is_open:
        connection.close()


@pytest.fixture
def channel(connection: BlockingConnection) -> BlockingChannel:
    return connection.channel()


def await_one(channel: BlockingChannel, queue: str) -> tuple[pika.spec.Basic.GetOk, pika.BasicProperties, bytes]:
    deadline = time.monotonic() + SOON
    while True:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method is not None:
            return method, properties, body
        assert time.monotonic() < deadline


def test_properties_and_body_come_back(channel: BlockingChannel, queue: str) -> None:
    channel.queue_declare(queue, durable=True)
    headers = {"text": "schön", "number": 2**40, "list": [1, None, {"t": True}]}
    sent = pika.BasicProperties(
        content_type="text/plain",
        headers=headers,
        delivery_mode=2,
        priority=5,
        correlation_id="c",
        timestamp=1_700_000_000,
    )
    channel.basic_publish("", queue, b"body", sent)
    _, properties, body = await_one(channel, queue)
    assert body == b"body"
    assert properties == sent


def test_absent_properties_are_none(channel: BlockingChannel, queue: str) -> None:
    channel.queue_declare(queue)
    channel.basic_publish("", queue, b"")
    _, properties, _ = await_one(channel, queue)
    assert all(value is None for value in vars(properties).values())


def test_a_confirmed_publish_returns(channel: BlockingChannel, queue: str) -> None:
    channel.queue_declare(queue, durable=True)
    channel.confirm_delivery()
    for number in range(100):
        channel.basic_publish("", queue, b"%d" % number, PERSISTENT, mandatory=True)
    assert channel.queue_declare(queue, passive=True).method.message_count == 100


def test_an_unroutable_publish_raises(channel: BlockingChannel, queue: str) -> None:
    channel.confirm_delivery()
    with pytest.raises(UnroutableError) as unroutable:
        channel.basic_publish("", queue, b"x", mandatory=True)
    assert unroutable.value.messages[0].method.reply_code == 312


def test_a_refused_publish_raises(channel: BlockingChannel, queue: str) -> None:
    channel.queue_declare(queue, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"fits")
    with pytest.raises(NackError):
        channel.basic_publish("", queue, b"does not")


def test_start_consuming_delivers_in_order(channel: BlockingChannel, queue: str) -> None:
    channel.queue_declare(queue)
    channel.basic_qos(prefetch_count=10)
    seen: list[bytes] = []

    def on_message(own: BlockingChannel, method: pika.spec.Basic.Deliver, _: pika.BasicProperties, body: bytes) -> None:
        seen.append(body)
        own.basic_ack(method.delivery_tag)
        if len(seen) == 200:
            own.stop_consuming()

    channel.basic_consume(queue, on_message)
    for number in range(200):
        channel.basic_publish("", queue, b"%d" % number)
    channel.start_consuming()
    assert seen == [b"%d" % number for number in range(200)]


def test_the_consume_generator_gives_back_what_it_did_not_hand_out(channel: BlockingChannel, queue: str) -> None:
    channel.queue_declare(queue)
    for number in range(10):
        channel.basic_publish("", queue, b"%d" % number)
    for method, _, body in channel.consume(queue, inactivity_timeout=20):
        channel.basic_ack(method.delivery_tag)
        if body == b"4":
            break
    channel.cancel()
    assert await_one(channel, queue)[2] == b"5"


def test_the_consume_generator_ends_when_the_queue_goes(connection: BlockingConnection, queue: str) -> None:
    first, second = connection.channel(), connection.channel()
    first.queue_declare(queue)
    messages = first.consume(queue, inactivity_timeout=0.01)
    next(messages)
    second.queue_delete(queue)
    deadline = time.monotonic() + SOON
    for _ in messages:
        assert time.monotonic() < deadline


def test_a_missing_queue_closes_the_channel_only(connection: BlockingConnection, queue: str) -> None:
    with pytest.raises(ChannelClosedByBroker) as closed:
        connection.channel().queue_declare(queue, passive=True)
    assert closed.value.reply_code == 404
    assert connection.channel().is_open


def test_a_wrong_password_is_an_authentication_error(amqp: Address) -> None:
    parameters = pika.ConnectionParameters(amqp.host, amqp.port, credentials=pika.PlainCredentials(amqp.user, "wrong"))
    with pytest.raises(ProbableAuthenticationError):
        BlockingConnection(parameters)


def test_an_unknown_virtual_host_is_an_access_error(amqp: Address) -> None:
    parameters = pika.ConnectionParameters(
        amqp.host, amqp.port, "missing", credentials=pika.PlainCredentials(amqp.user, amqp.password)
    )
    with pytest.raises(ProbableAccessDeniedError):
        BlockingConnection(parameters)


def test_a_transaction_commits(channel: BlockingChannel, queue: str) -> None:
    channel.queue_declare(queue, durable=True)
    channel.tx_select()
    channel.basic_publish("", queue, b"dropped")
    channel.tx_rollback()
    channel.basic_publish("", queue, b"kept")
    channel.tx_commit()
    assert await_one(channel, queue)[2] == b"kept"


def test_heartbeats_keep_an_idle_connection(amqp: Address) -> None:
    def kept(seconds: int) -> None:
        connection = BlockingConnection(pika.URLParameters(f"{amqp.url}%2F?heartbeat={seconds}"))
        connection.sleep(3.5 * seconds)
        assert connection.channel().is_open
        connection.close()

    in_time(kept, 1, 10)


def test_rpc_over_direct_reply_to(amqp: Address, connection: BlockingConnection, queue: str) -> None:
    server_connection = BlockingConnection(pika.URLParameters(amqp.url + "%2F"))
    server = server_connection.channel()
    server.queue_declare(queue)

    def serve() -> None:
        for method, properties, body in server.consume(queue, inactivity_timeout=20):
            server.basic_publish("", properties.reply_to, b"re: " + body)
            server.basic_ack(method.delivery_tag)
            break
        server_connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    client = connection.channel()
    replies: list[bytes] = []
    client.basic_consume("amq.rabbitmq.reply-to", lambda *received: replies.append(received[3]), auto_ack=True)
    client.basic_publish("", queue, b"question", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    deadline = time.monotonic() + SOON
    while not replies and time.monotonic() < deadline:
        connection.process_data_events(time_limit=0.1)
    thread.join(SOON)
    assert replies == [b"re: question"]


def test_the_asyncio_adapter_publishes_and_consumes(amqp: Address, queue: str) -> None:
    async def run() -> list[bytes]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        seen: list[bytes] = []

        def on_open(connection: AsyncioConnection) -> None:
            connection.channel(on_open_callback=on_channel)

        def on_channel(channel: Channel) -> None:
            channel.queue_declare(queue, callback=lambda _: on_queue(channel))

        def on_queue(channel: Channel) -> None:
            channel.basic_consume(queue, on_message)
            for number in range(50):
                channel.basic_publish("", queue, b"%d" % number)

        def on_message(channel: Channel, method: pika.spec.Basic.Deliver, _: pika.BasicProperties, body: bytes) -> None:
            seen.append(body)
            channel.basic_ack(method.delivery_tag)
            if len(seen) == 50:
                channel.connection.close()

        def on_close(_: AsyncioConnection, __: BaseException) -> None:
            done.set_result(None)

        AsyncioConnection(
            pika.URLParameters(amqp.url + "%2F"),
            on_open_callback=on_open,
            on_close_callback=on_close,
            custom_ioloop=loop,
        )
        await asyncio.wait_for(done, SOON)
        return seen

    assert asyncio.run(run()) == [b"%d" % number for number in range(50)]
