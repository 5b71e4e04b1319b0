"""A receiver that is interrupted while it subscribes leaves no subscription behind that nobody receives from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

import batonmq
import batonmq.aio
from batonmq.testing import RunningServer

SOON = 30.0


@pytest.fixture(params=["amqp", "amqp10"])
def url(request: pytest.FixtureRequest, baton_server: RunningServer) -> str:
    return str(request.param) + baton_server.url.removeprefix("amqp")


async def _interrupted(mq: batonmq.aio.Connection) -> batonmq.aio.Receiver:
    """A receiver that was interrupted in its first call."""
    for _ in range(100):
        receiver = mq.receiver("orders")
        task = asyncio.ensure_future(receiver.receive())
        await asyncio.sleep(0)
        if not task.done():
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return receiver
        # The engine's thread was faster.
        task.result()
        await receiver.close()
    pytest.fail("no call could be interrupted")


async def _until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while not await is_so():
            await asyncio.sleep(0.01)


def test_a_call_after_one_that_was_interrupted_receives_what_was_sent_ahead(url: str) -> None:
    async def main() -> None:
        async with await batonmq.aio.connect(url) as mq:
            await mq.declare("orders")
            await mq.send("orders", b"17")
            receiver = await _interrupted(mq)
            (delivery,) = await receiver.receive(wait=SOON)
            assert delivery.body == b"17"
            assert (await mq.stats("orders")).consumers == 1
            await receiver.close()

    asyncio.run(main())


def test_what_was_sent_ahead_goes_back_when_the_receiver_is_closed(url: str) -> None:
    async def main() -> None:
        async with await batonmq.aio.connect(url) as mq:
            await mq.declare("orders")
            await mq.send("orders", b"17")
            receiver = await _interrupted(mq)
            await receiver.close()

            async def is_back() -> bool:
                stats = await mq.stats("orders")
                return stats.consumers == 0 and stats.ready == 1

            await _until(is_back)

    asyncio.run(main())


def test_two_tasks_that_ask_at_once_share_a_subscription(url: str) -> None:
    async def main() -> None:
        async with await batonmq.aio.connect(url) as mq:
            await mq.declare("orders")
            await mq.send_many("orders", [b"17", b"18"])
            receiver = mq.receiver("orders")
            first, second = await asyncio.gather(receiver.receive(wait=SOON), receiver.receive(wait=SOON))
            assert {delivery.body for delivery in (*first, *second)} == {b"17", b"18"}
            assert (await mq.stats("orders")).consumers == 1
            await receiver.close()

    asyncio.run(main())


def test_a_subscription_that_failed_is_begun_anew(url: str) -> None:
    with batonmq.connect(url) as mq:
        receiver = mq.receiver("orders")
        with pytest.raises(batonmq.NotFound):
            receiver.receive(wait=0)
        mq.declare("orders")
        mq.send("orders", b"17")
        assert [delivery.body for delivery in receiver.receive(wait=SOON)] == [b"17"]
        receiver.close()
