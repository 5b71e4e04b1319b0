"""A pair of links to a node, one for requests and one for answers: HTTP in messages, as in RabbitMQ's management."""

from __future__ import annotations

import itertools
from collections import deque

from batonmq.engines.amqp10.client.receiver import ACCEPTED, Receiver, ReceiverUser
from batonmq.engines.amqp10.client.sender import Sender, SenderUser
from batonmq.engines.amqp10.products.desk import Answer
from batonmq.engines.amqp10.uplink import Uplink
from batonmq.engines.futures import Future
from batonmq.errors import BatonError, ConnectionLost
from batonmq.protocols.amqp10.codec.performatives import (
    Attach,
    DeliveryState,
    MessageProperties,
    Source,
    Target,
)
from batonmq.protocols.amqp10.codec.sections import VALUE, Sections
from batonmq.protocols.amqp10.codec.values import DecodeError, Described, Symbol, ULong, encode

__all__ = ["Pair"]

CREDIT = 100
ME = "$me"
_PAIRED = {Symbol("paired"): True}


class Pair:
    """Two links of one name (linkpair-v1.0). All in the loop's thread."""

    def __init__(self, uplink: Uplink, node: str) -> None:
        self._uplink = uplink
        self._node = node
        self._numbers = itertools.count(1)
        self._asked: dict[int, Future[Answer]] = {}
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._way_out: _Out | None = None
        self._way_in: _In | None = None

    def ask(self, method: str, path: str, body: object, future: Future[Answer]) -> None:
        """Send a request."""
        number = next(self._numbers)
        properties = MessageProperties(message_id=ULong(number), to=path, subject=method, reply_to=ME)
        payload = properties.encoded() + encode(Described(ULong(VALUE), body))
        self._asked[number] = future
        self._uplink.expect(lambda: future.done)
        self._waiting.append((payload, number))
        if self._way_out is None or self._way_in is None:
            try:
                self._attach()
            except BatonError as error:
                self.lost(error)
                return
        self.go_on()

    def _attach(self) -> None:
        """Raises ConnectionLost."""
        name = self._uplink.link_name("management")
        source, target = Source(address=self._node), Target(address=self._node)
        self._way_in = _In(self)
        self._way_out = _Out(self)
        receiver = Receiver(name, source, self._way_in, target=target, properties=_PAIRED, settle_modes=(1, 0))
        sender = Sender(name, target, self._way_out, source=source, properties=_PAIRED, settle_mode=1)
        self._way_in.use(receiver)
        self._way_out.use(sender)
        self._uplink.attach_pair(sender, receiver)

    def go_on(self) -> None:
        """Send pending requests, if both links are attached."""
        out, way_in = self._way_out, self._way_in
        if out is None or way_in is None or not out.is_ready or not way_in.is_ready:
            return
        while self._waiting:
            payload, _ = self._waiting.popleft()
            out.send(payload)

    def answered(self, payload: bytes) -> None:
        """An answer came."""
        try:
            sections = Sections(payload)
            properties = sections.properties()
            body = sections.body_values()[0] if sections.body_kind == VALUE else None
        except DecodeError:
            return
        if properties is None or not isinstance(properties.correlation_id, int):
            return
        future = self._asked.pop(int(properties.correlation_id), None)
        if future is None:
            return
        status = properties.subject or ""
        future.resolve(Answer(int(status) if status.isascii() and status.isdigit() and len(status) < 10 else 0, body))

    def lost(self, error: BatonError | None) -> None:
        """One of the links is gone: so is the other."""
        out, self._way_out = self._way_out, None
        way_in, self._way_in = self._way_in, None
        if out is not None:
            out.close()
        if way_in is not None:
            way_in.close()
        self._waiting.clear()
        asked, self._asked = self._asked, {}
        for future in asked.values():
            future.fail(error or ConnectionLost(f"the links to {self._node} were closed"))


class _Out(SenderUser):
    """The user of the link for requests."""

    def __init__(self, pair: Pair) -> None:
        self._pair: Pair | None = pair
        self._sender: Sender | None = None

    def use(self, sender: Sender) -> None:
        """Set the link."""
        self._sender = sender

    @property
    def is_ready(self) -> bool:
        """Is the link attached?"""
        return self._sender is not None and self._sender.is_attached

    def send(self, payload: bytes) -> None:
        """Send a request settled, as the answer says more than an outcome."""
        assert self._sender is not None
        self._sender.send((payload,), None, settled=True)

    def close(self) -> None:
        """Drop the link."""
        self._pair = None
        if self._sender is not None:
            self._sender.close()

    def attached(self, attach: Attach) -> None:
        if self._pair is not None:
            self._pair.go_on()

    def detached(self, error: BatonError | None) -> None:
        pair, self._pair = self._pair, None
        if pair is not None:
            pair.lost(error)

    def settled(self, token: object, state: DeliveryState | None) -> None:
        """Do nothing: requests are sent settled."""


class _In(ReceiverUser):
    """The user of the link for answers."""

    def __init__(self, pair: Pair) -> None:
        self._pair: Pair | None = pair
        self._receiver: Receiver | None = None

    def use(self, receiver: Receiver) -> None:
        """Set the link."""
        self._receiver = receiver

    @property
    def is_ready(self) -> bool:
        """Is the link attached?"""
        return self._receiver is not None and self._receiver.is_attached

    def close(self) -> None:
        """Drop the link."""
        self._pair = None
        if self._receiver is not None:
            self._receiver.close()

    def attached(self, attach: Attach) -> None:
        if self._receiver is not None:
            self._receiver.give_credit(CREDIT)
        if self._pair is not None:
            self._pair.go_on()

    def detached(self, error: BatonError | None) -> None:
        pair, self._pair = self._pair, None
        if pair is not None:
            pair.lost(error)

    def delivered(self, delivery_id: int, payload: bytes, *, settled: bool) -> None:
        receiver, pair = self._receiver, self._pair
        if receiver is None or pair is None:
            return
        if not settled:
            receiver.settle(delivery_id, ACCEPTED)
        if receiver.credit < CREDIT // 2:
            receiver.give_credit(CREDIT)
        pair.answered(payload)

    def changed(self, delivery_id: int, state: DeliveryState | None) -> None:
        """Do nothing: answers arrive settled."""

    def drained(self) -> None:
        """Do nothing: the link is never drained."""
