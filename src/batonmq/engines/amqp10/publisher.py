"""Sends messages: a link for each target queue, and the outcome of each message (part 3 §3.4)."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Final

from batonmq.engines.amqp10.client.failures import outcome_error
from batonmq.engines.amqp10.client.sender import Sender, SenderUser
from batonmq.engines.amqp10.uplink import Uplink
from batonmq.engines.futures import Future
from batonmq.errors import BatonError, ConnectionLost, MessageTooLarge, ResourceError
from batonmq.protocols.amqp10.codec.composites import Fields
from batonmq.protocols.amqp10.codec.performatives import Attach, DeliveryState, Target

__all__ = ["Outlet", "Publisher"]

# Idle links that are kept.
LINKS_MAX: Final = 100
# The same, where each link takes a session, of which there are few.
SESSIONS_MAX: Final = 16
# Seconds for which a broker may take nothing before waiting senders fail.
NO_CREDIT_SECONDS: Final = 60.0


class Batch:
    """Messages that one future waits for."""

    __slots__ = ("error", "future", "left", "payloads", "state")

    def __init__(self, future: Future[None], payloads: Sequence[bytes], state: DeliveryState | None) -> None:
        self.future = future
        self.payloads = payloads
        self.state = state
        self.left = len(payloads)
        self.error: BatonError | None = None

    def one_done(self, error: BatonError | None) -> bool:
        """One message has its outcome; the first error is reported. True: it was the last."""
        self.left -= 1
        if error is not None and self.error is None:
            self.error = error
        return not self.left

    def finish(self) -> None:
        """All messages are settled or failed."""
        if self.error is None:
            self.future.resolve(None)
        else:
            self.future.fail(self.error)


class Outlet(SenderUser):
    """A link to one target. All in the loop's thread."""

    __slots__ = ("_batches", "_gone", "_is_watched", "_queue", "_sender", "_settled", "_uplink", "_waiting")

    def __init__(
        self,
        uplink: Uplink,
        target: Target,
        queue: str,
        gone: Callable[[], None],
        properties: Fields | None = None,
    ) -> None:
        """``queue`` is for error texts. ``gone`` is called when the link has ended. Raises ConnectionLost."""
        self._uplink = uplink
        self._queue = queue
        self._gone = gone
        # Messages handed to the link, in order; and those that wait for the link.
        self._batches: OrderedDict[Batch, None] = OrderedDict()
        self._waiting: deque[Batch] = deque()
        self._is_watched = False
        # Messages with an outcome.
        self._settled = 0
        self._sender = Sender(uplink.link_name(queue), target, self, properties=properties)
        uplink.attach(self._sender, receives=False)

    @property
    def is_idle(self) -> bool:
        """Is nothing pending?"""
        return not self._batches and not self._waiting

    def send(self, payloads: Sequence[bytes], future: Future[None], state: DeliveryState | None = None) -> None:
        """Send messages; the future is resolved when all have their outcome."""
        batch = Batch(future, payloads, state)
        if self._sender.is_attached:
            self._put(batch)
        else:
            self._waiting.append(batch)

    def close(self) -> None:
        """End the link."""
        self._sender.close()

    def _put(self, batch: Batch) -> None:
        most = self._sender.max_message_size
        if most and (size := max(map(len, batch.payloads))) > most:
            text = f"a message has {size} octets, and the broker takes {most} for queue '{self._queue}'"
            batch.future.fail(MessageTooLarge(text))
            return
        self._batches[batch] = None
        self._sender.send(batch.payloads, batch, state=batch.state)
        self._watch()

    def _watch(self) -> None:
        """Fail pending messages of a broker that gives no credit or no outcomes for too long."""
        if self._is_watched:
            return
        self._is_watched = True
        before = self._sender.sent, self._settled

        def look() -> None:
            self._is_watched = False
            if not self._batches or self._sender.is_gone:
                return
            if (self._sender.sent, self._settled) != before:
                self._watch()
                return
            text = f"the broker has taken no message for queue '{self._queue}' for {NO_CREDIT_SECONDS:g} s"
            # The next sender gets a link of its own, whether or not the broker confirms the end of this one.
            self._gone()
            self._fail(ResourceError(text), ConnectionLost(text))
            self._sender.close()

        self._uplink.later(NO_CREDIT_SECONDS, look)

    # ------------------------------------------------------------------ of the link

    def attached(self, attach: Attach) -> None:
        while self._waiting:
            self._put(self._waiting.popleft())

    def detached(self, error: BatonError | None) -> None:
        self._gone()
        reason = error or ConnectionLost("the link was closed")
        self._fail(reason, reason)

    def settled(self, token: object, state: DeliveryState | None) -> None:
        assert isinstance(token, Batch)
        self._settled += 1
        error = outcome_error(state, self._queue)
        if token.one_done(error):
            self._batches.pop(token, None)
            token.finish()

    def _fail(self, unsent: BatonError, under_way: BatonError) -> None:
        batches, self._batches = self._batches, OrderedDict()
        waiting, self._waiting = self._waiting, deque()
        for batch in batches:
            batch.future.fail(batch.error or under_way)
        for batch in waiting:
            batch.future.fail(unsent)


class Publisher:
    """The outlets of one connection, by their addresses."""

    def __init__(self, uplink: Uplink) -> None:
        self._uplink = uplink
        self._outlets: OrderedDict[str, Outlet] = OrderedDict()

    def find(self, address: str) -> Outlet | None:
        """The link to that address; None: there is none."""
        outlet = self._outlets.get(address)
        if outlet is not None:
            self._outlets.move_to_end(address)
        return outlet

    def open(self, target: Target, queue: str, properties: Fields | None = None) -> Outlet:
        """The link to a target, attached if necessary. ``queue`` is for error texts. Raises ConnectionLost."""
        address = target.address or ""
        outlet = self.find(address)
        if outlet is not None:
            return outlet
        made = Outlet(self._uplink, target, queue, lambda: self._forget(address, made), properties)
        self._outlets[address] = made
        if len(self._outlets) > (SESSIONS_MAX if self._uplink.isolates_links else LINKS_MAX):
            self._close_idle()
        return made

    def close(self, target: Target) -> None:
        """End the link to a target, if there is one; the next message there uses a new one."""
        outlet = self._outlets.pop(target.address or "", None)
        if outlet is not None:
            outlet.close()

    def _forget(self, address: str, outlet: Outlet) -> None:
        if self._outlets.get(address) is outlet:
            del self._outlets[address]

    def _close_idle(self) -> None:
        for address, outlet in self._outlets.items():
            if outlet.is_idle:
                del self._outlets[address]
                outlet.close()
                return
