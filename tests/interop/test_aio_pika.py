"""aio-pika: its robust connection, iterators, processing, RPC."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aio_pika
import pytest
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import ChannelPreconditionFailed, DeliveryError, QueueEmpty
from aio_pika.patterns import RPC

from tests.support.wire import Address

Body = Callable[[AbstractRobustConnection, AbstractRobustChannel], Awaitable[None]]


def run(amqp: Address, body: Body) -> None:
    """Runs `body` with a connection and a channel, for ten seconds at most."""

    async def main() -> None:
        connection = await aio_pika.connect_robust(amqp.url)
        async with connection:
            await body(connection, await connection.channel())

    asyncio.run(asyncio.wait_for(main(), 10))


def test_an_iterator_yields_messages_in_order(amqp: Address, queue: str) -> None:
    async def body(_: AbstractRobustConnection, channel: AbstractRobustChannel) -> None:
        await channel.set_qos(10)
        declared = await channel.declare_queue(queue)
        for number in range(50):
            await channel.default_exchange.publish(aio_pika.Message(b"%d" % number), queue)
        seen: list[bytes] = []
        async with declared.iterator() as messages:
            async for message in messages:
                async with message.process():
                    seen.append(message.body)
                if len(seen) == 50:
                    break
        assert seen == [b"%d" % number for number in range(50)]
        assert (await declared.declare()).message_count == 0

    run(amqp, body)


def test_a_message_comes_back_as_it_was(amqp: Address, queue: str) -> None:
    async def body(_: AbstractRobustConnection, channel: AbstractRobustChannel) -> None:
        declared = await channel.declare_queue(queue, durable=True)
        sent = aio_pika.Message(
            b"body",
            headers={"n": 1, "t": {"deep": ["x", None]}},
            delivery_mode=2,
            priority=3,
            message_id="m",
            expiration=60,
        )
        await channel.default_exchange.publish(sent, queue)
        message = await declared.get(timeout=20)
        await message.ack()
        assert (message.body, message.headers, message.priority, message.message_id) == (
            b"body", {"n": 1, "t": {"deep": ["x", None]}}, 3, "m",
        )  # fmt: skip
        assert message.expiration == 60

    run(amqp, body)


def test_an_error_in_processing_gives_the_message_back(amqp: Address, queue: str) -> None:
    async def body(_: AbstractRobustConnection, channel: AbstractRobustChannel) -> None:
        declared = await channel.declare_queue(queue)
        await channel.default_exchange.publish(aio_pika.Message(b"x"), queue)
        message = await declared.get(timeout=20)
        with pytest.raises(ZeroDivisionError):
            async with message.process(requeue=True):
                raise ZeroDivisionError
        while (again := await declared.get(fail=False)) is None:
            await asyncio.sleep(0)
        assert again.redelivered
        await again.ack()

    run(amqp, body)


def test_an_empty_queue_raises(amqp: Address, queue: str) -> None:
    async def body(_: AbstractRobustConnection, channel: AbstractRobustChannel) -> None:
        declared = await channel.declare_queue(queue)
        with pytest.raises(QueueEmpty):
            await declared.get()

    run(amqp, body)


def test_confirms_are_awaited_together(amqp: Address, queue: str) -> None:
    async def body(_: AbstractRobustConnection, channel: AbstractRobustChannel) -> None:
        declared = await channel.declare_queue(queue, durable=True)
        message = aio_pika.Message(b"x", delivery_mode=2)
        await asyncio.gather(*(channel.default_exchange.publish(message, queue) for _ in range(300)))
        assert (await declared.declare()).message_count == 300

    run(amqp, body)


def test_an_unroutable_message_raises(amqp: Address, queue: str) -> None:
    async def body(connection: AbstractRobustConnection, _: AbstractRobustChannel) -> None:
        channel = await connection.channel(on_return_raises=True)
        with pytest.raises(DeliveryError):
            await channel.default_exchange.publish(aio_pika.Message(b"x"), queue, mandatory=True)

    run(amqp, body)


def test_an_inequivalent_queue_raises(amqp: Address, queue: str) -> None:
    async def body(connection: AbstractRobustConnection, channel: AbstractRobustChannel) -> None:
        await channel.declare_queue(queue)
        other = await connection.channel()
        with pytest.raises(ChannelPreconditionFailed):
            await other.declare_queue(queue, durable=True)

    run(amqp, body)


def test_a_transaction_commits(amqp: Address, queue: str) -> None:
    async def body(connection: AbstractRobustConnection, _: AbstractRobustChannel) -> None:
        channel = await connection.channel(publisher_confirms=False)
        declared = await channel.declare_queue(queue)
        async with channel.transaction():
            for number in range(3):
                await channel.default_exchange.publish(aio_pika.Message(b"%d" % number), queue)
            assert (await declared.declare()).message_count == 0
        assert [(await declared.get(timeout=20, no_ack=True)).body for _ in range(3)] == [b"0", b"1", b"2"]

    run(amqp, body)


def test_rpc_calls_a_function(amqp: Address, queue: str) -> None:
    async def add(*, a: int, b: int) -> int:
        return a + b

    async def body(_: AbstractRobustConnection, channel: AbstractRobustChannel) -> None:
        rpc = await RPC.create(channel)
        await rpc.register(queue, add, auto_delete=True)
        assert await asyncio.gather(*(rpc.call(queue, {"a": n, "b": 1}) for n in range(10))) == list(range(1, 11))
        await rpc.close()

    run(amqp, body)


def test_exchanges_route_by_topic(amqp: Address, queue: str) -> None:
    async def body(_: AbstractRobustConnection, channel: AbstractRobustChannel) -> None:
        exchange = await channel.declare_exchange(queue, aio_pika.ExchangeType.TOPIC, auto_delete=True)
        declared = await channel.declare_queue(queue, exclusive=True)
        await declared.bind(exchange, "a.*")
        for key in ("a.b", "b.a"):
            await exchange.publish(aio_pika.Message(key.encode()), key)
        assert (await declared.get(timeout=20, no_ack=True)).body == b"a.b"
        assert await declared.get(fail=False) is None

    run(amqp, body)
