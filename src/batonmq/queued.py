"""A message in a queue: its place, its states and its history, and who may settle it."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import TYPE_CHECKING, Final

from batonmq.purity import mypyc_attr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.message import Message

# How a queued message is kept in the store.
IN_MEMORY: Final = 0
"""Nowhere: a transient message in the window of its queue."""
DURABLE: Final = 1
"""A persistent message of a durable queue: it survives a crash."""
SPILLED: Final = 2
"""A transient message that did not fit into memory: the store forgets it at the next start."""

# Where a queued message is.
READY: Final = 0
"""In its queue."""
HELD: Final = 1
"""In a consumer's hands, unsettled."""
GONE: Final = 2
"""Settled, expired or purged; what still refers to it skips it."""
DELAYED: Final = 3
"""Waiting until it is due; not ready before."""

# In ``QueuedMessage.returns`` those returns that do not count begin here; those that do take the bits below.
UNCOUNTED: Final = 1 << 48


class Settlement(metaclass=ABCMeta):
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
        delay: int | None = None,
    ) -> bool:
        """Return messages of this queue changed, or for others only (AMQP 1.0 §3.4.5).

        ``headers``: they replace those of the same names in each message, and stay with it.
        ``failed``: this was an attempt that failed, which counts.
        ``elsewhere``: none of them comes to its holder again while that subscribes; in a queue with dead letters they
        are rejected.
        ``delay``: as `release` has it.
        Tells whether they are back; False: they were rejected. Raises PreconditionFailed when a message would have too
        many headers, before anything is done.
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


@mypyc_attr(allow_interpreted_subclasses=True)
class Holder(metaclass=ABCMeta):
    """The holder of unsettled messages: a consumer."""

    __slots__ = ()

    @abstractmethod
    def revoked(self, queued: QueuedMessage) -> None:
        """A delivery was held past its deadline and has been taken back: settling it has no effect any more."""

    @abstractmethod
    def settled_late(self, queued: QueuedMessage) -> None:
        """A delivery that was taken back has been settled after all; a holder that waits for that has room again."""


# Its queue refers to it, and it to its queue: in a circle that the collector does not see, as it would look at each
# message several times. Whoever keeps one lets go of it: the queue when it is deleted or its broker closed, a consumer
# when it ends.
@mypyc_attr(acyclic=True)
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
        """Its holder has settled it."""
        self.state = GONE

    def leave(self) -> None:
        """It expires, is purged or dropped, or the message is another object from now on."""
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
