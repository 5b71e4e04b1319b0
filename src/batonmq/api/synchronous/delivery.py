# Generated from api/asynchronous/delivery.py by scripts/unasync.py: change that file instead.
"""A message that a receiver holds, to be settled once."""

from __future__ import annotations

import time
from types import TracebackType
from typing import NamedTuple, Self

from batonmq.api.options import require_feature
from batonmq.api.telling import told
from batonmq.engines.checks import check_seconds, check_text
from batonmq.engines.futures import Future
from batonmq.engines.interface import Engine, Subscription
from batonmq.engines.messages import Message
from batonmq.engines.values import Incoming
from batonmq.errors import AlreadySettled, BatonError

__all__ = ["Delivery", "Origin", "Progress"]

# The least time between two reports to the broker, in seconds: often enough for people.
TOLD_SECONDS = 0.5
# The most characters of a note: it is shown in one line.
NOTE_MAX = 200


class Progress(NamedTuple):
    """The progress of the work on a message."""

    fraction: float
    """From 0 to 1."""
    note: str
    """What is being done; "": no note."""
    told: float
    """When the broker was last told, in monotonic seconds."""


class Origin(NamedTuple):
    """Where a receiver's deliveries come from."""

    engine: Engine
    queue: str
    lease: float | None
    """Seconds for which each is held; None: without limit."""


class Delivery:
    """A message that a receiver holds. Settle it once, with ``accept``, ``release`` or ``reject``.

    Used as a context manager, it is accepted when the block ends and released when the block raises. An unsettled
    message goes back to the queue when the receiver is closed or the lease ends. Any thread may settle a delivery, not
    only the one that received it.
    """

    __slots__ = (
        "_incoming",
        "_origin",
        "_subscription",
        "delivery_count",
        "message",
        "redelivered",
        "reported",
        "settled",
    )

    message: Message
    """The body and its properties."""
    delivery_count: int
    """How often the message was delivered, including this time; 1 or more.

    Exact if ``capabilities.delivery_count`` is True; otherwise 2 may mean 2 or more.
    """
    redelivered: bool
    """True if the message was delivered before."""
    reported: Progress | None
    """The last report of ``progress``; None: there was none."""
    settled: bool
    """True once it was accepted, released or rejected here."""

    def __init__(self, origin: Origin, subscription: Subscription, incoming: Incoming) -> None:
        self._origin = origin
        self.reported = None
        self._subscription = subscription
        self._incoming = incoming
        self.message = incoming.message
        self.delivery_count = incoming.delivery_count
        self.redelivered = incoming.redelivered
        self.settled = False

    @property
    def body(self) -> bytes:
        """The body of the message."""
        return self.message.body

    @property
    def queue(self) -> str:
        """The queue that it was received from."""
        return self._origin.queue

    @property
    def _engine(self) -> Engine:
        return self._origin.engine

    def accept(self) -> None:
        """Remove the message from the queue: it has been processed.

        This returns at once. An embedded engine writes the change within 10 ms, and syncs the disk with the next
        message that is sent; after a crash in between, the message is delivered again. ``transaction`` waits for the
        disk. Only if the process that owns a shared file is gone, and no other has taken over yet, does this wait for
        the next one; it raises ConnectionLost if there is none within a minute.

        Raises AlreadySettled, and LeaseLost when the message is no longer held here.
        """
        self._settle()
        try:
            outcome = self._subscription.settle(self._incoming, "accept")
            if outcome is not None:
                outcome.get()
        except BatonError as error:
            raise self._told(error) from error.__cause__

    def release(self, *, delay: float | None = None) -> None:
        """Return the message to its place in the queue, marked as redelivered, for any receiver.

        ``delay``: seconds before it returns, 0 or more; None: at once, or after the queue's retry delay. In a queue
        declared with ``max_deliveries``, this counts as one delivery.

        Raises AlreadySettled, LeaseLost when the message is no longer held here, and UnsupportedFeature for a delay if
        the engine has none.
        """
        if delay is not None:
            check_seconds("delay", delay)
            require_feature(self._engine.capabilities, self._engine.capabilities.release_delay, "release with a delay")
        self._settle()
        try:
            self._done(self._subscription.settle(self._incoming, "release", delay=delay))
        except BatonError as error:
            raise self._told(error) from error.__cause__

    def reject(self, *, reason: str = "") -> None:
        """Send the message to the queue's dead letters, or drop it if there are none.

        ``reason``: text that the dead letter carries in the header ``x-reject-reason``; empty: no header.

        Raises AlreadySettled, LeaseLost when the message is no longer held here, and UnsupportedFeature for a reason if
        the engine cannot pass it on.
        """
        if check_text("reason", reason, None):
            require_feature(self._engine.capabilities, self._engine.capabilities.reject_reason, "reject with a reason")
        self._settle()
        try:
            self._done(self._subscription.settle(self._incoming, "reject", reason))
        except BatonError as error:
            raise self._told(error) from error.__cause__

    def renew(self, seconds: float | None = None) -> None:
        """Extend the lease: the message is held for that long from now.

        ``seconds``: 0 or more; None: the length of the receiver's lease.

        Raises LeaseLost when the message is no longer held here, AlreadySettled, UnsupportedFeature if the engine has
        no leases, and ValueError when ``seconds`` is None and the receiver has no lease.
        """
        can = self._engine.capabilities
        require_feature(can, can.lease, "renew")
        wanted = self._origin.lease if seconds is None else seconds
        if wanted is None:
            raise ValueError(f"the receiver of queue '{self.queue}' has no lease: say for how many seconds")
        check_seconds("seconds", wanted)
        if self.settled:
            raise self._settled_before()
        try:
            self._subscription.renew(self._incoming, wanted).get()
        except BatonError as error:
            raise self._told(error) from error.__cause__

    def progress(self, fraction: float, note: str = "") -> None:
        """Say how far the work on the message is, for people: ``batonmq run`` shows it on a terminal.

        Queues in a file and on BatonMQ's server show it, too (``capabilities.progress``): they are told at most twice a
        second for each message. Nothing waits for that, and nothing depends on it.

        ``fraction``: from 0 to 1.
        ``note``: what is being done, up to 200 characters; more is cut off.

        Raises AlreadySettled, TypeError, and ValueError for a fraction out of its range.
        """
        if isinstance(fraction, bool) or not isinstance(fraction, int | float):
            raise TypeError(f"fraction is a number from 0 to 1, not {type(fraction).__name__}")
        if not 0 <= fraction <= 1:
            raise ValueError(f"fraction is a number from 0 to 1: {fraction}")
        check_text("note", note, None)
        if self.settled:
            raise self._settled_before()
        before, now = self.reported, time.monotonic()
        is_due = before is None or now - before.told >= TOLD_SECONDS
        self.reported = Progress(float(fraction), note[:NOTE_MAX], now if is_due or before is None else before.told)
        if is_due and self._engine.capabilities.progress:
            self._subscription.report(self._incoming, self.reported.fraction, self.reported.note)

    @property
    def _is_counted(self) -> bool:
        """For a worker: True if the queue counts how often it delivers the message."""
        return self._incoming.is_counted

    def _once_more(self) -> Self | None:
        """For a worker: the next attempt at a message that stays held here; None if the queue counts deliveries."""
        if self._is_counted:
            return None
        self._settle()
        came = self._incoming
        counted = Incoming(came.message, came.delivery_count + 1, True, came.handle, is_counted=False)
        return type(self)(self._origin, self._subscription, counted)

    def _settle(self) -> None:
        if self.settled:
            raise self._settled_before()
        self.settled = True

    def _settled_before(self) -> BatonError:
        return self._told(AlreadySettled(f"{self.message!r} of queue '{self.queue}' was settled before"))

    def _told(self, error: BatonError) -> BatonError:
        return told(error, self._origin.engine.place, self._origin.queue)

    @staticmethod
    def _done(outcome: Future[None] | None) -> None:
        if outcome is not None:
            outcome.get()

    def _in_transaction(self) -> tuple[Subscription, Incoming]:
        """For ``Transaction``: the subscription and the message to accept."""
        self._settle()
        return self._subscription, self._incoming

    def _not_settled(self) -> None:
        """For ``Transaction``: it failed, so the message is still held here."""
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
