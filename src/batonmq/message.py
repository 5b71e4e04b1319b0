"""A message: what the body is framed in, its address and its properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Self

from batonmq.purity import mypyc_attr

if TYPE_CHECKING:
    from batonmq.properties import Properties


BODY_MAX: Final = 512 * 1024 * 1024
"""Bytes of the largest body, as in RabbitMQ: SQLite takes 1,000,000,000 in a row, and the properties are in it, too."""


class Framing:
    """What a protocol has around the body in a message's payload.

    A framing with a code belongs to the message wherever it goes in the broker: the store and copies with other
    properties keep the payload whole. One without (0) lasts no longer than the message is in memory unchanged.

    ``edited`` is the framing of a copy with other properties, which then differ from those in the payload.
    ``default_priority`` is the priority of a message without one in its properties.
    """

    __slots__ = ("code", "default_priority", "edited")

    def __init__(self, code: int = 0, edited: Framing | None = None, default_priority: int = 0) -> None:
        """``edited`` None: it is its own."""
        self.code = code
        self.default_priority = default_priority
        self.edited: Framing = edited if edited is not None else self


FRAMING_MAX: Final = 7
"""The largest code that the store has room for."""

# Framings with a code are AMQP 1.0's, whose priority is 4 where a message does not tell one (part 3 section 3.2.1).
_DEFAULT_PRIORITY: Final = 4

_framings: dict[int, Framing] = {}


def framing_of(code: int) -> Framing:
    """The framing with that code, 1 to FRAMING_MAX: the same object each time. A code is never used for another one.

    An odd code is the edited framing of the even one before it.
    """
    found = _framings.get(code)
    if found is None:
        if not 0 < code <= FRAMING_MAX:
            raise ValueError(f"there is no framing {code}")
        edited = framing_of(code + 1) if code % 2 == 0 else None
        found = _framings[code] = Framing(code, edited, _DEFAULT_PRIORITY)
    return found


# What it refers to never refers to it: the collector, which would look at each message several times, can do without.
@mypyc_attr(acyclic=True)
class Message:
    """A published message: its address, its properties and its body.

    The body is ``payload[start:start + size]``, in bytes. A protocol may keep the original octets around the body, to
    send them again unchanged: ``framing`` is then an object that only this protocol understands. None means that the
    payload is the bare body. To every other protocol the two are the same.

    ``weight`` is its size in length limits, in the memory budget and in the store, in bytes: the whole payload of a
    framing that is kept, otherwise the body.
    """

    __slots__ = ("exchange", "framing", "payload", "properties", "routing_key", "shared_id", "size", "start", "weight")

    is_dead_letter: ClassVar[bool] = False
    """True if the broker itself wrote the death headers. In any other message a client wrote them."""

    def __init__(
        self,
        exchange: str,
        routing_key: str,
        properties: Properties,
        payload: bytes,
        start: int = 0,
        size: int = -1,
        framing: Framing | None = None,
        weight: int = 0,
    ) -> None:
        """``size`` -1: up to the end; ``weight`` 0: as the size. A framing with a code has the payload's length."""
        self.exchange = exchange
        self.routing_key = routing_key
        self.properties = properties
        self.payload = payload
        self.start = start
        self.size = size = size if size >= 0 else len(payload)
        self.framing = framing
        self.weight = weight or size
        # Set by the store where several queues share one large body.
        self.shared_id = 0

    def share_as(self, shared_id: int) -> None:
        """Note that several queues of the store share the body, under that number."""
        self.shared_id = shared_id

    @property
    def body(self) -> bytes:
        """The body alone."""
        if self.start == 0 and self.size == len(self.payload):
            return self.payload
        return self.payload[self.start : self.start + self.size]

    @property
    def kept(self) -> bytes:
        """What the store keeps: the payload in a framing that has a code, else the body."""
        return self.payload if self.framing is not None and self.framing.code else self.body

    @classmethod
    def copy_of(cls, original: Message, exchange: str, routing_key: str, properties: Properties) -> Self:
        """The same body, in its framing if that is one to keep, with another address and properties."""
        framing = original.framing
        if framing is None or not framing.code:
            return cls(exchange, routing_key, properties, original.body)
        if properties is not original.properties:
            framing = framing.edited
        return cls(
            exchange,
            routing_key,
            properties,
            original.payload,
            original.start,
            original.size,
            framing,
            original.weight,
        )

    def with_properties(self, properties: Properties) -> Message:
        """The same body and address with other properties."""
        copy = self.copy_of(self, self.exchange, self.routing_key, properties)
        copy.share_as(self.shared_id)
        return copy

    def __repr__(self) -> str:
        return f"<{type(self).__name__} to {self.exchange!r}/{self.routing_key!r}, {self.size} bytes>"


@mypyc_attr(acyclic=True)
class DeadLetter(Message):
    """A message that the broker has dead-lettered: its death headers (x-death and the like) are the broker's own."""

    __slots__ = ()

    is_dead_letter = True
