"""Shows the messages in a queue, and leaves them there (part 3 §3.5.3, distribution mode copy)."""

from __future__ import annotations

from collections.abc import Callable

from batonmq.engines.amqp10.client.receiver import Receiver, ReceiverUser
from batonmq.engines.amqp10.products.desk import Opening
from batonmq.engines.amqp10.uplink import Uplink
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.errors import BatonError, ConnectionLost
from batonmq.fields import FieldError
from batonmq.protocols.amqp10.codec.performatives import Attach, DeliveryState, Released

__all__ = ["Browser"]

# Seconds of silence that count as the end, for brokers that do not report it.
PATIENCE = 5.0
# Messages requested at once.
CREDIT = 500


class Browser(ReceiverUser):
    """One pass over a queue. All in the loop's thread."""

    def __init__(self, uplink: Uplink, read: Callable[[bytes], Message], most: int) -> None:
        self.future: Future[list[Message]] = Future()
        self._uplink = uplink
        self._read = read
        self._most = most
        self._found: list[Message] = []
        # How many there will be if the broker has as many as were asked for.
        self._wanted = 0
        self._receiver: Receiver | None = None
        self._cancel: Callable[[], None] = self._nothing

    def begin(self, opening: Opening) -> None:
        """Attach the link."""
        receiver = Receiver(self._uplink.link_name("look"), opening.source, self, properties=opening.properties)
        try:
            self._uplink.attach(receiver, receives=True)
        except BatonError as error:
            self.future.fail(error)
            return
        self._receiver = receiver

    def attached(self, attach: Attach) -> None:
        self._ask()

    def _ask(self) -> None:
        assert self._receiver is not None
        self._wait()
        credit = min(self._most - len(self._found), CREDIT)
        self._wanted = len(self._found) + credit
        self._receiver.drain(credit)

    def _wait(self) -> None:
        self._cancel()
        self._cancel = self._uplink.later(PATIENCE, self._end)

    def delivered(self, delivery_id: int, payload: bytes, *, settled: bool) -> None:
        if self._receiver is None:
            return
        self._wait()
        if not settled:
            self._receiver.settle(delivery_id, Released())
        try:
            self._found.append(self._read(payload))
        except FieldError as error:
            self.future.fail(ConnectionLost(f"a message cannot be read: {error}"))
            self._end()

    def drained(self) -> None:
        if len(self._found) == self._wanted < self._most:
            self._ask()
        else:
            self._end()

    def _end(self) -> None:
        self._cancel()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.close()
        self.future.resolve(self._found)

    def detached(self, error: BatonError | None) -> None:
        self._cancel()
        self._receiver = None
        self.future.fail(error or ConnectionLost("the link was closed"))

    def changed(self, delivery_id: int, state: DeliveryState | None) -> None:
        """Do nothing: browsed messages are not held."""

    def _nothing(self) -> None:
        """Do nothing."""
