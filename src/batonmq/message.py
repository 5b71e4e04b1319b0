"""The value that travels through every layer: a message, and its place in a queue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.properties import Properties

# How a queued message is kept in the store.
IN_MEMORY = 0
"""Nowhere: a transient message in the window of its queue."""
DURABLE = 1
"""A persistent message of a durable queue: it survives a crash."""
SPILLED = 2
"""A transient message that did not fit into memory: the store forgets it at the next start."""

# Where a queued message is.
READY = 0
"""In its queue."""
HELD = 1
"""In a consumer's hands, unsettled."""
GONE = 2
"""Settled, expired or purged; what still refers to it skips it."""
DELAYED = 3
"""Waiting until it is due; not ready before."""

# In ``QueuedMessage.returns`` those returns that do not count begin here; those that do take the bits below.
UNCOUNTED = 1 << 48


class Framing:
    """What a protocol has around the body in a message's payload.

    A framing with a code belongs to the message wherever it goes in the broker: the store and copies with other
    properties keep the payload whole. One without (0) lasts no longer than the message is in memory unchanged.

    ``edited`` is the framing of a copy with other properties, which are then no longer those that the payload tells.
    """

    __slots__ = ("code", "edited")

    def __init__(self, code: int = 0, edited: Framing | None = None) -> None:
        """``edited`` None: it is its own."""
        self.code = code
        self.edited: Framing = edited if edited is not None else self


FRAMING_MAX = 7
"""The largest code that the store has room for."""

_framings: dict[int, Framing] = {}


def framing_of(code: int) -> Framing:
    """The framing with that code, 1 to FRAMING_MAX: the same object each time. A code is never used for another one.

    An odd code is the edited framing of the even one before it.
    """
    found = _framings.get(code)
    if found is None:
        if not 0 < code <= FRAMING_MAX:
            raise ValueError(f"there is no framing {code}")
        found = _framings[code] = Framing(code, framing_of(code + 1) if code % 2 == 0 else None)
    return found


class Message:
    """A published message: its address, its properties and its body.

    The body is ``payload[start:start + size]``, in bytes. A protocol may keep what was around the body as it came, so
    that it can go out again untouched: ``framing`` is then an object that only this protocol understands. None means
    that the payload is the bare body. To every other protocol the two are the same.

    ``weight`` is what it counts for in length limits, in the memory budget and in the store, in bytes: the whole
    payload of a framing that is kept, else the body.
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


class DeadLetter(Message):
    """A message that the broker has dead-lettered: its death headers (x-death and the like) are the broker's own."""

    __slots__ = ()

    is_dead_letter = True


class Settlement(ABC):
    """The party through which a queued message is settled: usually the queue that delivered it.

    The holder of a message settles it through ``queued.settlement``, with exactly one of ``accept``, ``release`` and
    ``reject``. It need not know more about where the message came from.
    """

    __slots__ = ()

    name: str
    """The queue's name."""

    @abstractmethod
    def accept(self, queued: QueuedMessage) -> None:
        """The message was processed: it leaves the queue."""

    @abstractmethod
    def accept_all(self, held: list[QueuedMessage]) -> None:
        """Accept several messages of this queue, for half of what it costs one by one."""

    @abstractmethod
    def release(
        self, held: list[QueuedMessage], delay: int | None = None, *, failed: bool = True, counted: bool = True
    ) -> None:
        """Return messages of this queue to their old places, marked as redelivered.

        ``held``: the messages, in the order of their delivery.
        ``delay``: milliseconds until they are ready again, 0 or more; None: as the queue's settings say.
        ``failed``: False if they were merely returned, which matters for delayed retries.
        ``counted``: False if this is no delivery that failed: the return count, and with it the delivery limit, stays.
        """

    @abstractmethod
    def reject(self, queued: QueuedMessage, reason: str = "", condition: str = "") -> None:
        """Dead-letter the message, or drop it if the queue has no dead letters.

        ``reason``: what the consumer says for people to read; ``condition``: the name of the error, for programs. Both
        become headers of the dead letter.
        """

    @abstractmethod
    def modify(
        self,
        held: list[QueuedMessage],
        headers: Mapping[str, FieldValue] | None = None,
        *,
        failed: bool = False,
        elsewhere: bool = False,
    ) -> bool:
        """Return messages of this queue changed, or for others only (AMQP 1.0 §3.4.5).

        ``headers``: they replace those of the same names in each message, and stay with it.
        ``failed``: this was an attempt that failed, which counts.
        ``elsewhere``: none of them comes to its holder again while that subscribes; in a queue with dead letters they
        are rejected. Tells whether they are back; False: they were rejected. Raises PreconditionFailed when a message
        would have too many headers, before anything is done.
        """

    @abstractmethod
    def unsettle(self, queued: QueuedMessage) -> None:
        """The store could not keep the settlement of an accepted message: the message is held again."""

    @abstractmethod
    def renew(self, queued: QueuedMessage, seconds: float) -> bool:
        """Move the deadline of a held message, if it has one, to that many seconds from now; False: it is not held."""

    @abstractmethod
    def lost(self, queued: QueuedMessage) -> None:
        """The store could not keep the message, and its producer is told so: the message leaves the queue."""

    @abstractmethod
    def touch(self) -> None:
        """Ask the queue to check whether it can dispatch anything."""


class Holder(ABC):
    """The holder of unsettled messages: a consumer."""

    __slots__ = ()

    @abstractmethod
    def late(self, queued: QueuedMessage) -> None:
        """A delivery was held past its deadline and has been taken back: settling it has no effect any more."""


class QueuedMessage:
    """A message in one queue: its place there, its state and its history.

    ``row`` is its place and its key in the store: the lane's number in the high bits, the position in the low ones.
    ``returns`` is how it came back from consumers: 0 never, else in the low bits how often it did so counted, and above
    these (``UNCOUNTED``) how often it did so uncounted. It is another number after each return.
    Only the verbs below change its state:

        READY --hold--> HELD --settle--> GONE
          ^              | |
          +---come_back--+ +--wait--> DELAYED --fall_due--> READY
          +-be_released--+

    Out of each of them a message may be ``settle``d, or ``leave`` (it expires, is purged, or is left to the store
    alone); ``hold_again`` and ``stay`` take that back where the store could not keep it. ``TRANSITIONS`` has all of it.
    """

    __slots__ = ("expires_at", "holder", "message", "returns", "row", "settlement", "state", "stored")

    def __init__(self, message: Message, settlement: Settlement, row: int, stored: int = IN_MEMORY) -> None:
        self.message = message
        self.settlement = settlement
        self.row = row
        # READY, HELD, GONE or DELAYED.
        self.state = READY
        # IN_MEMORY, DURABLE or SPILLED.
        self.stored = stored
        self.returns = 0
        # Milliseconds of the epoch; 0: never.
        self.expires_at = 0
        # The consumer that holds it; None also when it was fetched one by one.
        self.holder: Holder | None = None

    # ------------------------------------------------------------------ verbs: what changes its state

    def hold(self, holder: Holder | None) -> None:
        """It is delivered to a consumer, or to a client that fetched it (None)."""
        self.state = HELD
        self.holder = holder

    def settle(self) -> None:
        """Its holder is done with it."""
        self.state = GONE

    def leave(self) -> None:
        """It expires, is purged or dropped, or another object stands for the message from now on."""
        self.state = GONE

    def come_back(self) -> None:
        """Its holder returned it, which counts."""
        self.state = READY
        self.holder = None
        self.returns += 1

    def be_released(self) -> None:
        """Its holder returned it without having tried it, which does not count."""
        self.state = READY
        self.holder = None
        self.returns += UNCOUNTED

    def hand_on(self) -> None:
        """It comes back uncounted: the next owner of the store counts it, or its holder claims it there."""
        self.state = READY
        self.holder = None

    def wait(self, row: int) -> None:
        """It waits at that row until it is due."""
        self.state = DELAYED
        self.row = row

    def fall_due(self, row: int) -> None:
        """It is due, and ready at that row."""
        self.state = READY
        self.row = row

    def hold_again(self) -> None:
        """The store could not keep its settlement: it is held again."""
        self.state = HELD

    def stay(self) -> None:
        """The store could not keep its removal: it is ready again."""
        self.state = READY

    # ------------------------------------------------------------------ what else becomes of it

    def carry(self, message: Message) -> None:
        """Replace its message by one with the same body and other headers."""
        self.message = message

    def expire_at(self, milliseconds: int) -> None:
        """Set when it expires, in milliseconds since the epoch; 0: never."""
        self.expires_at = milliseconds

    def kept_as(self, stored: int) -> None:
        """Set how it is stored: DURABLE, SPILLED or IN_MEMORY."""
        self.stored = stored

    @property
    def return_count(self) -> int:
        """How often it came back from a consumer, and that counted: 0 before the first hand-over has failed."""
        return self.returns & (UNCOUNTED - 1)

    def count_as(self, returns: int) -> None:
        """Set how often it has come back from a consumer, uncounted returns as ``returns`` has them."""
        self.returns = returns

    def settled_by(self, settlement: Settlement) -> None:
        """Set the settlement through which the holder of this object settles it."""
        self.settlement = settlement

    def as_it_was(self, other: QueuedMessage) -> QueuedMessage:
        """Take over the history of another object for the same message, and return self."""
        self.stored = other.stored
        self.returns = other.returns
        self.expires_at = other.expires_at
        return self

    def __repr__(self) -> str:
        return f"<QueuedMessage {self.row:#x} of {self.settlement.name!r}>"


def hold_all(batch: list[QueuedMessage], holder: Holder) -> bool:
    """``hold`` for all that a consumer is given at once, 0.05 us each less than a call takes; had any come back?"""
    has_come_back = False
    for queued in batch:
        queued.state = HELD
        queued.holder = holder
        if queued.returns:
            has_come_back = True
    return has_come_back


def settle_all(batch: list[QueuedMessage]) -> None:
    """``settle`` for all that a holder is done with at once."""
    for queued in batch:
        queued.state = GONE


# What each verb may find a message as, and what it then is.
TRANSITIONS: dict[str, tuple[frozenset[int], int]] = {
    "hold": (frozenset({READY}), HELD),
    "settle": (frozenset({READY, HELD, DELAYED}), GONE),
    "leave": (frozenset({READY, HELD, DELAYED}), GONE),
    "come_back": (frozenset({HELD}), READY),
    "be_released": (frozenset({HELD}), READY),
    "hand_on": (frozenset({HELD}), READY),
    "wait": (frozenset({READY, HELD, DELAYED}), DELAYED),
    "fall_due": (frozenset({DELAYED}), READY),
    "hold_again": (frozenset({GONE}), HELD),
    "stay": (frozenset({GONE}), READY),
}
