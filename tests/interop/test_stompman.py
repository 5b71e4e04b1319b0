"""stompman: STOMP 1.2 for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
import stompman

from tests.support.broker import Broker

Body = Callable[[stompman.Client], Awaitable[None]]


def run(broker: Broker, body: Body, password: str = "guest") -> None:
    """Runs `body` with a client, for ten seconds at most."""

    async def main() -> None:
        server = stompman.ConnectionParameters(
            host="127.0.0.1", port=broker.ports["stomp"], login="guest", passcode=password
        )
        async with stompman.Client(servers=[server], connect_retry_attempts=1) as client:
            await body(client)

    asyncio.run(asyncio.wait_for(main(), 10))


def fail(error: Exception, _: stompman.MessageFrame) -> None:
    raise AssertionError from error


def test_it_sends_and_receives(batonmq_process: Broker, queue: str) -> None:
    async def body(client: stompman.Client) -> None:
        arrived: asyncio.Queue[stompman.MessageFrame] = asyncio.Queue()
        subscription = await client.subscribe(f"/queue/{queue}", arrived.put, on_suppressed_exception=fail)
        for number in range(50):
            await client.send(b"%d" % number, f"/queue/{queue}", content_type="text/plain")
        frames = [await arrived.get() for _ in range(50)]
        assert [frame.body for frame in frames] == [b"%d" % number for number in range(50)]
        assert frames[0].headers["content-type"] == "text/plain"
        await subscription.unsubscribe()

    run(batonmq_process, body)


def test_acknowledgements_by_hand(batonmq_process: Broker, queue: str) -> None:
    async def body(client: stompman.Client) -> None:
        arrived: asyncio.Queue[stompman.AckableMessageFrame] = asyncio.Queue()
        subscription = await client.subscribe_with_manual_ack(f"/queue/{queue}", arrived.put, ack="client-individual")
        await client.send(b"order", f"/queue/{queue}")
        await (await arrived.get()).nack()
        again = await arrived.get()
        assert again.headers["redelivered"] == "true"  # type: ignore[typeddict-item]
        await again.ack()
        await subscription.unsubscribe()

    run(batonmq_process, body)


def test_a_transaction_ends_with_its_block(batonmq_process: Broker, queue: str) -> None:
    async def body(client: stompman.Client) -> None:
        arrived: asyncio.Queue[stompman.MessageFrame] = asyncio.Queue()
        subscription = await client.subscribe(f"/queue/{queue}", arrived.put, on_suppressed_exception=fail)
        with contextlib.suppress(ZeroDivisionError):
            async with client.begin() as transaction:
                await transaction.send(b"dropped", f"/queue/{queue}")
                raise ZeroDivisionError
        async with client.begin() as transaction:
            await transaction.send(b"kept", f"/queue/{queue}")
        assert (await arrived.get()).body == b"kept"
        await subscription.unsubscribe()

    run(batonmq_process, body)


def test_a_wrong_password_is_refused(batonmq_process: Broker) -> None:
    async def body(_: stompman.Client) -> None:
        pytest.fail("it is logged in")

    with pytest.raises(stompman.FailedAllConnectAttemptsError):
        run(batonmq_process, body, password="wrong")
