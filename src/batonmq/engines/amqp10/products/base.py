"""What an engine over AMQP 1.0 asks of a kind of broker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from batonmq.engines.amqp10.products.desk import Desk, Opening
from batonmq.engines.death_headers import origin_of
from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.interface import How
from batonmq.engines.messages import Message
from batonmq.engines.steps import Steps, wait_for
from batonmq.engines.values import Capabilities, Fate, QueueOptions
from batonmq.errors import UnsupportedFeature
from batonmq.protocols.amqp10.codec.composites import Fields
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    DeliveryState,
    Error as AmqpError,
    Modified,
    Rejected,
    Released,
    Source,
    Target,
)
from batonmq.protocols.amqp10.codec.values import Symbol

__all__ = ["ACCEPTED", "Copy", "Count", "Held", "Product", "Settlement"]

ACCEPTED: Final = Accepted()
RELEASED: Final = Released()
FAILED: Final = Modified(delivery_failed=True)


@dataclass(frozen=True, slots=True)
class Count:
    """How often a message has been delivered, this time included."""

    deliveries: int
    redelivered: bool
    is_exact: bool = True
    """If not, 2 stands for 2 or more."""


@dataclass(frozen=True, slots=True)
class Held:
    """A delivery that is to be settled."""

    queue: str
    message: Message
    payload: bytes
    """Its sections as they came, if ``Product.keeps_payloads``; else b""."""
    deliveries: int
    """How often it has been delivered, this time included, as ``Product.count_of`` said."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A message that is sent in place of the one that was received."""

    target: Target
    payload: bytes
    """All of its sections."""
    queue: str
    """The queue that it goes to, for errors."""
    is_before: bool = False
    """Is it confirmed before the message is accepted, instead of in one transaction? For a broker whose transactions
    do not hold what is delayed: whatever ends in between, there are two rather than none."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a delivery is settled."""

    outcome: DeliveryState = field(default_factory=Accepted)
    copy: Copy | None = None
    """Sent and accepted in one transaction with the outcome, which is then ``Accepted``. If the transaction fails, the
    delivery is released."""
    wait: float = 0.0
    """Seconds for which the engine keeps the delivery before it is settled so; without a copy."""


class Product(ABC):
    """A kind of broker: its capabilities, its addresses, its ways.

    One object serves one engine, over all its connections. Implement what is abstract; replace what else your broker
    does in another way than the specification. Methods that return `Steps` are generators: ``yield from wait_for(
    self.desk.ask(...))`` waits for an answer. They, and all others, run in the loop's thread or the caller's, may not
    block, and are not called for what ``capabilities`` denies.

    What you have to write for a broker:

    1. ``engine_name`` and ``capabilities``: True for what works, tried on the broker.
    2. ``target`` and ``source``: the address of a queue, and the terminus capabilities that it needs.
    3. ``declare``, ``delete``, ``count``, ``purge``, ``move``: by management requests through ``self.desk``.
    4. ``require``, where the broker makes missing queues by itself: raise NotFound for those that are not there.
    5. ``settlement``: what accept, release (later) and reject (with a reason) are; ``keeps_payloads = True`` if that
       takes a copy.
    6. ``count_of``: from the header, or from a header of your own; ``is_worn_out``, where the broker does not end
       deliveries by itself.
    7. ``delay_annotations``, ``opening`` (for a lease), ``browsing`` (for peek), ``renewal``.

    Then name it in `choosing.py`.
    """

    engine_name: ClassVar[str] = "amqp10"
    """What errors and ``capabilities`` call the engine."""
    isolates_links: ClassVar[bool] = False
    """Does the broker end a whole session where it should refuse a link? Then each link has a session of its own."""
    keeps_payloads: ClassVar[bool] = False
    """Does ``settlement`` need the sections of a message as they came?"""
    echoes: ClassVar[bool] = False
    """Does it answer a flow that asks for one (part 2 §2.7.4, echo), behind all that was on its way?"""
    isolates_receivers: ClassVar[bool] = False
    """Has each receiver a session of its own, which ends in place of its link when all that it holds has been seen?
    For brokers that count such deliveries, and not those of a link that is detached."""
    delays_in_transactions: ClassVar[bool] = True
    """Is a message that waits for its time as safe as others when a transaction is committed?"""
    tells_of_deletion: ClassVar[bool] = True
    """Does the broker end the links of a queue that is deleted? If not, those of this engine are ended by it."""
    queue_prefix: ClassVar[str] = ""
    """What makes the name of a queue an address in the property reply-to: ``/queues/``, which is %-escaped."""

    settles_replies: ClassVar[bool] = False
    """Does the broker send replies settled, to those who ask for that (part 2 §2.8.2), and to no others?"""

    names: ClassVar[tuple[str, ...]] = ()
    """What the URL may demand, as `parameters` has it: ``Artemis``, ``ActiveMQ``."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    @classmethod
    def is_called(cls, wanted: str) -> bool:
        """Does a URL that demands this name mean this product?"""
        return wanted in cls.names

    def prepare(self) -> Steps[None]:
        """Learn what ``capabilities`` tells, once, behind the first log-in. May fail as a log-in does."""
        yield from ()

    def close(self) -> None:  # noqa: B027  # most have nothing
        """End what the product has beside the connection. May be called from any thread, and block for a second."""

    # ------------------------------------------------------------------ what it is

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What the engine offers with this broker."""

    @property
    def system(self) -> str:
        """The broker in lower case, for tracing: 'rabbitmq', 'artemis'."""
        return self.desk.announced.product.lower() or "amqp"

    # ------------------------------------------------------------------ addresses

    @abstractmethod
    def target(self, queue: str) -> Target:
        """Where messages for a queue go."""

    @abstractmethod
    def source(self, queue: str) -> Source:
        """Where messages of a queue come from."""

    def opening(self, queue: str, lease: float | None, prefetch: int) -> Opening:
        """How a receiver is attached. ``lease``: seconds for which a message may be held, where there are leases."""
        return Opening(self.source(queue))

    def browsing(self, queue: str) -> Opening:
        """How a link is attached that shows messages and takes none (part 3 §3.5.3, distribution mode copy)."""
        return Opening(replace(self.source(queue), distribution_mode=Symbol("copy")))

    def sender_properties(self, queue: str) -> Fields | None:
        """Properties of a link on which messages go to a queue."""
        return None

    def reply_source(self) -> Source:
        """Where replies to our requests come: a node that the broker makes."""
        return Source(dynamic=True)

    def reply_target(self, reply_to: str) -> Target:
        """Where a reply goes. ``reply_to`` is what ``queue_of`` has made of the address."""
        return self.target(reply_to)

    def queue_of(self, address: str) -> str:
        """What a program sees as the ``reply_to`` of a message with that address: a queue's name, if it is one's."""
        return address

    # ------------------------------------------------------------------ queues

    def check_declare(self, queue: str, options: QueueOptions) -> None:  # noqa: B027
        """Raises what ``declare`` refuses without asking the broker."""

    @abstractmethod
    def declare(self, queue: str, options: QueueOptions) -> Steps[None]:
        """Make a queue; PreconditionFailed when it is there otherwise. ``dead_letter`` is made, too."""

    @abstractmethod
    def delete(self, queue: str) -> Steps[None]:
        """Delete a queue; one that is not there is deleted already."""

    def require(self, queue: str) -> Steps[None]:
        """See that a queue is there, before the first link to it is attached. NotFound.

        Nothing is done here by default: brokers refuse links to what is not there.
        """
        yield from ()

    def is_drained(self, queue: str) -> Steps[bool]:
        """The broker answered a drain with nothing (part 2 §2.6.7): is nothing there? By default it is believed."""
        yield from ()
        return True

    def require_reply(self, reply_to: str) -> Steps[None]:
        """See that somebody waits for a reply there. NotFound.

        Nothing is done here by default: brokers refuse links to what is not there.
        """
        yield from ()

    def require_source(self, queue: str) -> Steps[None]:
        """``require``, before messages are taken. UnsupportedFeature for what is not a queue."""
        yield from self.require(queue)

    def fate(self, queue: str) -> Fate | None:
        """What becomes of messages that are given up, as far as it is known here; may not ask anybody."""
        return None

    def count(self, queue: str) -> Steps[int]:
        """How many messages are ready. NotFound."""
        yield from ()
        raise self._cannot("count")

    def purge(self, queue: str) -> Steps[int] | None:
        """Drop what is ready; how many messages that were. NotFound.

        None: the broker cannot, and the engine receives and accepts them.
        """
        return None

    def peek(self, queue: str, most: int) -> Steps[list[Message]]:
        """The first ready messages. NotFound."""
        yield from self.require(queue)
        return (yield from wait_for(self.desk.look(self.browsing(queue), most)))

    def queues(self) -> Steps[list[QueueInfo]]:
        """All queues, by name."""
        yield from ()
        raise self._cannot("queues")

    def stats(self, queue: str) -> Steps[QueueStats]:
        """How a queue stands, as far as the broker tells. NotFound."""
        return QueueStats(ready=(yield from self.count(queue)))

    def move(self, source: str, target: str | None, most: int) -> Steps[int] | None:
        """Move ready messages to another queue, on the broker; how many. NotFound.

        None: the broker cannot, and the engine receives and sends them. Without a target each goes to ``origin``.
        """
        return None

    def origin(self, message: Message) -> str | None:
        """The queue in which a dead letter died; None: it is none, or the broker does not say."""
        return origin_of(message.headers)

    # ------------------------------------------------------------------ messages

    def check(self, message: Message) -> None:
        """Raises ValueError for a message for which the broker would end the connection."""
        return

    def delay_annotations(self, seconds: float) -> dict[str, object]:
        """The message-annotations that ask for a delay. Milliseconds are `Long`s: no broker heeds a timestamp."""
        raise self._cannot("delay")

    def is_delay_header(self, name: str) -> bool:
        """Is a header one that asks for a delay, so that it is not to be sent again with a message that has come?"""
        return False

    def count_of(self, message: Message, failures: int, first_acquirer: bool) -> Count:
        """How often a message was delivered; its header says ``failures`` (delivery-count) and ``first_acquirer``."""
        return Count(failures + 1, failures > 0 or not first_acquirer)

    def shown(self, message: Message) -> Message:
        """What a program sees of a message: all but what the product itself has written into it, for ``count_of``."""
        return message

    def is_worn_out(self, queue: str, deliveries: int) -> bool:
        """Was it delivered too often, so that the engine rejects it instead of handing it out?"""
        return False

    def settlement(self, held: Held, how: How, reason: str, delay: float | None) -> Settlement:
        """How a delivery is released or rejected. ``delay`` in seconds, for a release; ``reason`` for a rejection.

        One that is accepted is just that, and not asked about.
        """
        if how == "release":
            return Settlement(FAILED)
        error = AmqpError(condition=Symbol("batonmq:rejected"), description=reason) if reason else None
        return Settlement(Rejected(error=error))

    @property
    def returned(self) -> DeliveryState:
        """The outcome of what a receiver holds that is closed: it counts as a delivery."""
        return FAILED

    @property
    def unseen(self) -> DeliveryState:
        """The outcome of what was on its way to a receiver, and nobody has seen."""
        return RELEASED

    def renewal(self, session: int, delivery_id: int, seconds: float) -> Steps[None]:
        """Hold a delivery, which came on that session, for so much longer. LeaseLost."""
        yield from ()
        raise self._cannot("renew")

    def renew_unasked(self, session: int, delivery_ids: list[int], seconds: float) -> None:
        """The same for deliveries that wait to be handed out. Nobody is told how it went. In the loop's thread."""
        raise self._cannot("renew")

    def report(self, session: int, delivery_id: int, fraction: float, note: str) -> None:
        """Tell how far the work on a delivery is, for ``capabilities.progress``. In the loop's thread."""
        raise self._cannot("progress")

    # ------------------------------------------------------------------ requests about the broker

    def manage(self, request: Message) -> Steps[Message]:
        """A request as ``broker/management/`` has them. NotFound where the broker answers no such requests."""
        yield from ()
        raise self._cannot("requests about the broker")

    def _cannot(self, feature: str) -> UnsupportedFeature:
        return UnsupportedFeature(f"{self.engine_name}: {feature}")
