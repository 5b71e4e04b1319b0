"""Takes messages from one queue."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from batonmq.api.asynchronous.delivery import Delivery, Origin
from batonmq.api.beginning import Beginning
from batonmq.api.options import LEASE_MIN, require_feature
from batonmq.api.telling import Telling, told
from batonmq.engines.checks import check_flag, check_number, check_queue, check_seconds
from batonmq.engines.interface import Engine, Subscription, give_back
from batonmq.engines.values import Fate
from batonmq.errors import BatonError, Closed

__all__ = ["Receiver"]

# The most messages that a receiver with ``until_empty`` may hold.
HOLD_MOST = 65_535


class Receiver:
    """Receives messages from one queue: iterate over it, or call ``receive``.

    Close it, or use it as a context manager: the messages that it holds then go back to the queue. That also ends a
    loop over it in another thread or task, whereas closing the connection has such a loop raise Closed. It subscribes
    when the context is entered, or when a message is first asked for. ``Connection.receiver`` creates it, and explains
    ``queue``, ``prefetch``, ``wait`` and ``lease``.
    """

    _delivery: type[Delivery] = Delivery

    def __init__(
        self,
        engine: Engine,
        queue: str,
        prefetch: int,
        wait: float | None,
        lease: float | None = None,
        *,
        until_empty: bool = False,
    ) -> None:
        check_queue(queue)
        check_number("prefetch", prefetch, 1)
        if wait is not None:
            check_seconds("wait", wait)
        if lease is not None:
            check_seconds("lease", lease, LEASE_MIN)
            require_feature(engine.capabilities, engine.capabilities.lease, "lease")
        check_flag("until_empty", until_empty)
        if until_empty:
            require_feature(engine.capabilities, engine.capabilities.until_empty, "until_empty")
            if wait is not None or lease is not None:
                raise ValueError(
                    f"queue '{queue}': until_empty waits for nothing and has no lease: leave out wait and lease"
                )
        self._until_empty = until_empty
        self.queue = queue
        self.prefetch = prefetch
        self.lease = lease
        self._wait = wait
        self._engine = engine
        self._origin = Origin(engine, queue, lease)
        self._beginning = Beginning()
        self._subscription: Subscription | None = None
        self._is_closed = False

    async def receive(self, max: int = 1, wait: float | None = None) -> list[Delivery]:  # noqa: A002
        """Return messages as soon as there is at least one.

        ``max``: the most messages to return, 1 or more. The receiver never holds more unsettled messages than
        ``prefetch``.
        ``wait``: seconds after which an empty list is returned; 0: do not wait; None: wait for ever. A
        receiver with ``until_empty`` never waits, and an empty list then means that no message is ready.

        When the receiver is closed meanwhile, an empty list is returned at once.

        Raises NotFound when the queue does not exist or was deleted, AccessRefused, ConnectionLost, and Closed: the
        connection was closed, also meanwhile, or the receiver was closed before.
        """
        check_number("max", max, 1)
        if wait is not None:
            check_seconds("wait", wait)
        subscription = self._subscription or await self._subscribe()
        try:
            future = subscription.receive(max)
        except BatonError as error:
            raise told(error, self._engine.place, self.queue) from error.__cause__
        try:
            # A request that is withdrawn at once brings the ready messages.
            if not future.done and (self._until_empty or not await future.wait_async(wait)):
                subscription.withdraw(future)
            arrived = await future.get_async()
        except BaseException as error:
            give_back(subscription, future)
            if isinstance(error, BatonError):
                raise told(error, self._engine.place, self.queue) from error.__cause__
            raise
        origin, delivery = self._origin, self._delivery
        return [delivery(origin, subscription, one) for one in arrived]

    # For a worker: to receive, without a span for that where there are spans.
    _receive = receive

    @property
    def _is_traced(self) -> bool:
        """For a worker: are there spans?"""
        return self._engine.is_traced

    async def _fate(self) -> Fate | None:
        """For a worker: where messages that are not accepted go; None: unknown to this engine."""
        try:
            return await asyncio.to_thread(self._engine.fate, self.queue)
        except BatonError:
            return None

    async def _subscribe(self) -> Subscription:
        self._require_open()
        with Telling(self._engine, self.queue):
            beginning = self._beginning.future(
                lambda: (
                    self._engine.pull(self.queue, HOLD_MOST)
                    if self._until_empty
                    else self._engine.subscribe(self.queue, self.prefetch, self.lease)
                )
            )
            self._subscription = await beginning.get_async()
        return self._subscription

    def _require_open(self) -> None:
        if self._is_closed:
            raise Closed(f"the receiver of queue '{self.queue}' was closed; open another one")

    async def close(self) -> None:
        """Return the unsettled messages to the queue and unsubscribe. A second call does nothing."""
        self._is_closed = True
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.close().get_async()
        else:
            self._beginning.abandon()

    def __aiter__(self) -> Self:
        self._require_open()
        return self

    async def __anext__(self) -> Delivery:
        try:
            deliveries = await self.receive(1, self._wait)
        except Closed:
            # The receiver was closed while the last message was being handled.
            if not self._is_closed:
                raise
            deliveries = []
        if not deliveries:
            raise StopAsyncIteration
        return deliveries[0]

    async def __aenter__(self) -> Self:
        if self._subscription is None:
            await self._subscribe()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
