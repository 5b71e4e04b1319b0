"""Watchers of workers: a test that wants what handlers returned, a terminal that shows the messages in hand."""

from __future__ import annotations

from batonmq.api.handlers.handler import AnyDelivery

__all__ = ["Watcher"]


class Watcher:
    """Told of each message that a handler works on.

    Its methods are called in the handlers' threads and event loops; they must return at once and raise nothing.
    """

    __slots__ = ()

    def began(self, queue: str, delivery: AnyDelivery) -> None:
        """A handler is about to be called."""

    def ended(self, queue: str, delivery: AnyDelivery, value: object, error: BaseException | None) -> None:
        """The message was settled: the handler has returned a value, or failed with an error."""
