# Generated from api/asynchronous/traced.py by scripts/unasync.py: change that file instead.
"""Receivers and deliveries with spans, for programs that have a tracer provider."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from batonmq.api.synchronous.delivery import Delivery
from batonmq.api.synchronous.receiver import Receiver

if TYPE_CHECKING:
    from batonmq.api.tracing.engine import TracedEngine
    from batonmq.api.tracing.spans import Spans, Trail

__all__ = ["TracedDelivery", "TracedReceiver", "handler_in_span"]


class TracedDelivery(Delivery):
    """A delivery whose processing and settling have spans."""

    __slots__ = ("_ends", "_trail")

    # When a block, or a handler within another, is entered: what ends its span.
    _ends: list[Callable[[BaseException | None], None]]
    _trail: Trail

    @property
    def _spans(self) -> Spans:
        return cast("TracedEngine", self._engine).spans

    def _received(self, trail: Trail) -> None:
        """For ``TracedReceiver``: set the trail of the message."""
        self._trail = trail
        self._ends = []

    def _once_more(self) -> Self | None:
        again = super()._once_more()
        if again is not None:
            again._received(self._trail)
        return again

    def accept(self) -> None:
        with self._spans.settle(self._trail, "accept"):
            super().accept()

    def release(self, *, delay: float | None = None) -> None:
        with self._spans.settle(self._trail, "release"):
            super().release(delay=delay)

    def reject(self, *, reason: str = "") -> None:
        with self._spans.settle(self._trail, "reject"):
            super().reject(reason=reason)

    def _begin(self) -> None:
        """Work on the message begins, unless it has begun: then the span of that goes on."""
        self._ends.append(_nothing if self._ends else self._spans.begin_process(self._trail))

    def _end(self, error: BaseException | None) -> None:
        self._ends.pop()(error)

    def __enter__(self) -> Self:
        self._begin()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, traceback)
        finally:
            self._end(error)


class TracedReceiver(Receiver):
    """A receiver whose calls have spans if they bring messages, and whose deliveries have spans."""

    _delivery: type[Delivery] = TracedDelivery

    @property
    def _spans(self) -> Spans:
        return cast("TracedEngine", self._engine).spans

    def receive(self, max: int = 1, wait: float | None = None) -> list[Delivery]:  # noqa: A002
        began = time.time_ns()
        try:
            deliveries = self._receive(max, wait)
        except Exception as error:
            self._spans.receive_failed(self.queue, error, began)
            raise
        if deliveries:
            trails = [cast("TracedDelivery", delivery)._trail for delivery in deliveries]
            self._spans.received(self.queue, trails, began)
        return deliveries

    def _receive(self, max: int = 1, wait: float | None = None) -> list[Delivery]:  # noqa: A002
        deliveries = super().receive(max, wait)
        for delivery in deliveries:
            cast("TracedDelivery", delivery)._received(self._spans.trail(self.queue, delivery.message))
        return deliveries


def handler_in_span(handler: Callable[[Delivery], object]) -> Callable[[Delivery], object]:
    """The handler of a worker, to be called with deliveries of a ``TracedReceiver``: it runs in the message's span."""

    def handle(delivery: Delivery) -> object:
        assert isinstance(delivery, TracedDelivery)
        delivery._begin()
        try:
            returned = handler(delivery)
        except BaseException as error:
            delivery._end(error)
            raise
        delivery._end(None)
        return returned

    return handle


def _nothing(error: BaseException | None) -> None:
    """The span goes on."""
