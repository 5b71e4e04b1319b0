# Generated from api/asynchronous/delivery.py by scripts/unasync.py: change that file instead.
"""A message that a receiver holds, to be settled once."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from batonmq.api.options import require_feature
from batonmq.engines.checks import check_seconds, check_text
from batonmq.engines.interface import Engine, Subscription
from batonmq.engines.messages import Message
from batonmq.engines.values import Incoming
from batonmq.errors import AlreadySettled

__all__ = ["Delivery"]


class Delivery:
    """A message that a receiver holds. Settle it once, with ``accept``, ``release`` or ``reject``.

    As a context manager it accepts when its block ends, and releases when an exception leaves the block. A message that
    is not settled goes back to the queue when the receiver is closed, or when its lease is over. A delivery may be
    settled from another thread than the one that received it.
    """

    __slots__ = (
        "_engine",
        "_incoming",
        "_lease",
        "_subscription",
        "delivery_count",
        "message",
        "redelivered",
        "settled",
    )

    message: Message
    """The body, and what its sender said about it."""
    delivery_count: int
    """How often the message was handed out, this time included.

    Exact where ``capabilities.delivery_count`` is True; elsewhere 2 may stand for 2 or more.
    """
    redelivered: bool
    """Was it handed out before?"""
    settled: bool
    """Was it accepted, released or rejected here?"""

    def __init__(
        self, engine: Engine, subscription: Subscription, incoming: Incoming, lease: float | None = None
    ) -> None:
        self._engine = engine
        self._lease = lease
        self._subscription = subscription
        self._incoming = incoming
        self.message = incoming.message
        self.delivery_count = incoming.delivery_count
        self.redelivered = incoming.redelivered
        self.settled = False

    @property
    def body(self) -> bytes:
        """The message's body."""
        return self.message.body

    def accept(self) -> None:
        """The message is done: it leaves the queue.

        This returns at once. An embedded engine writes it down within 10 ms, and syncs the disk with the next message
        that is sent: after a crash in between the message comes once more. ``transaction`` waits for the disk.

        Raises AlreadySettled, and LeaseLost when the message is not held here any more.
        """
        self._settle()
        self._subscription.settle(self._incoming, "accept")

    def release(self, *, delay: float | None = None) -> None:
        """Give the message back: it returns to its place in the queue, marked as redelivered, for whoever asks next.

        ``delay``: seconds until it does, 0 or more; None: at once, or after the retry delay that the queue has. In a
        queue that was declared with ``max_deliveries`` this counts as one delivery.

        Raises AlreadySettled, LeaseLost when the message is not held here any more, and UnsupportedFeature for a delay
        that the engine cannot keep.
        """
        if delay is not None:
            check_seconds("delay", delay)
            require_feature(self._engine.capabilities, self._engine.capabilities.release_delay, "release with a delay")
        self._settle()
        self._subscription.settle(self._incoming, "release", delay=delay)

    def reject(self, *, reason: str = "") -> None:
        """Give the message up: it goes to the dead letters of the queue, or is dropped if there are none.

        ``reason``: a text that the dead letter carries as the header ``x-reject-reason``; empty: no header.

        Raises AlreadySettled, LeaseLost when the message is not held here any more, and UnsupportedFeature for a reason
        that the engine cannot pass on.
        """
        if check_text("reason", reason, None):
            require_feature(self._engine.capabilities, self._engine.capabilities.reject_reason, "reject with a reason")
        self._settle()
        self._subscription.settle(self._incoming, "reject", reason)

    def renew(self, seconds: float | None = None) -> None:
        """Hold the message for so many seconds from now on; None: for the length of the receiver's lease.

        Raises LeaseLost when the message is not held here any more, AlreadySettled, UnsupportedFeature, and ValueError
        when neither names a time.
        """
        can = self._engine.capabilities
        require_feature(can, can.lease, "renew")
        wanted = self._lease if seconds is None else seconds
        if wanted is None:
            raise ValueError("the receiver has no lease: say for how many seconds")
        check_seconds("seconds", wanted)
        if self.settled:
            raise AlreadySettled(f"{self.message!r} was settled before")
        self._subscription.renew(self._incoming, wanted).get()

    @property
    def is_counted(self) -> bool:
        """For a worker: does the queue count how often it hands the message out?"""
        return self._incoming.is_counted

    def once_more(self) -> Self | None:
        """For a worker: its next attempt while it stays in these hands, where the queue counts none; else None."""
        if self.is_counted:
            return None
        self._settle()
        came = self._incoming
        counted = Incoming(came.message, came.delivery_count + 1, True, came.handle, is_counted=False)
        return type(self)(self._engine, self._subscription, counted, self._lease)

    def _settle(self) -> None:
        if self.settled:
            raise AlreadySettled(f"{self.message!r} was settled before")
        self.settled = True

    def in_transaction(self) -> tuple[Subscription, Incoming]:
        """For ``Transaction``: what is to be accepted."""
        self._settle()
        return self._subscription, self._incoming

    def not_settled(self) -> None:
        """For ``Transaction``: it failed, and the message is still in these hands."""
        self.settled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.settled:
            return
        if error is None:
            self.accept()
        else:
            self.release()

    def __repr__(self) -> str:
        return f"<Delivery {self.delivery_count} of {self.message!r}{', settled' if self.settled else ''}>"
