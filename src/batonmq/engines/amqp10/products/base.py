"""The interface of a product: what an engine over AMQP 1.0 asks of a kind of broker."""

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
    """If not, 2 means 2 or more."""


@dataclass(frozen=True, slots=True)
class Held:
    """A delivery to be settled."""

    queue: str
    message: Message
    payload: bytes
    """Its sections as received, if ``Product.keeps_payloads``; else b""."""
    deliveries: int
    """How often it has been delivered, this time included, as ``Product.count_of`` said."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A message that is sent in place of the one that was received."""

    target: Target
    payload: bytes
    """Its sections, encoded."""
    queue: str
    """The queue it goes to, for error texts."""
    is_before: bool = False
    """Is it confirmed before the message is accepted, instead of in one transaction?

    For brokers whose transactions do not protect delayed messages: if anything ends in between, there are two copies
    rather than none.
    """


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a delivery is settled."""

    outcome: DeliveryState = field(default_factory=Accepted)
    copy: Copy | None = None
    """Sent and accepted in one transaction with the outcome, which is then ``Accepted``. If the transaction fails, the
    delivery is released."""
    wait: float = 0.0
    """Seconds for which the engine keeps the delivery before settling it; without a copy."""


class Product(ABC):
    """A kind of broker: its capabilities, addresses and peculiarities.

    One object serves one engine, over all its connections. Implement what is abstract; override whatever else your
    broker does differently from the specification. Methods that return `Steps` are generators: ``yield from wait_for(
    self.desk.ask(...))`` waits for an answer. They, and all others, run in the loop's thread or the caller's, may not
    block, and are not called for what ``capabilities`` denies.

    What you have to write for a broker:

    1. ``engine_name`` and ``capabilities``: True for what works, tried on the broker.
    2. ``target`` and ``source``: the address of a queue, and the terminus capabilities that it needs.
    3. ``declare``, ``delete``, ``count``, ``purge``, ``move``: by management requests through ``self.desk``.
    4. ``require``, if the broker creates missing queues by itself: raise NotFound for those that do not exist.
    5. ``settlement``: what accept, release (later) and reject (with a reason) are; ``keeps_payloads = True`` if that
       takes a copy.
    6. ``count_of``: from the header, or from a header of your own; ``is_worn_out``, where the broker does not end
       deliveries by itself.
    7. ``delay_annotations``, ``opening`` (for a lease), ``browsing`` (for peek), ``renewal``.

    Then name it in `choosing.py`.
    """

    engine_name: ClassVar[str] = "amqp10"
    """The name of the engine in errors and ``capabilities``."""
    isolates_links: ClassVar[bool] = False
    """Does the broker end the whole session when it refuses a link? Then each link gets a session of its own."""
    keeps_payloads: ClassVar[bool] = False
    """Does ``settlement`` need a message's received sections?"""
    echoes: ClassVar[bool] = False
    """Does it answer an echo flow (part 2 §2.7.4) after all messages in flight?"""
    isolates_receivers: ClassVar[bool] = False
    """Does each receiver have a session of its own, which ends instead of the link once all held messages were seen?

    For brokers that count deliveries when a session ends, but not when a link is detached.
    """
    delays_in_transactions: ClassVar[bool] = True
    """Is a delayed message as safe as others once a transaction is committed?"""
    tells_of_deletion: ClassVar[bool] = True
    """Does the broker end the links of a deleted queue? If not, the engine ends its own."""
    queue_prefix: ClassVar[str] = ""
    """The prefix that makes a %-escaped queue name an address in reply-to, such as ``/queues/``."""

    settles_replies: ClassVar[bool] = False
    """Does the broker send replies settled only if asked to (part 2 §2.8.2)?"""

    names: ClassVar[tuple[str, ...]] = ()
    """What the URL may demand, as `parameters` has it: ``Artemis``, ``ActiveMQ``."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    @classmethod
    def is_called(cls, wanted: str) -> bool:
        """Does this product satisfy a URL that demands this name?"""
        return wanted in cls.names

    def prepare(self) -> Steps[None]:
        """Find out the capabilities, once, after the first log-in. May fail as a log-in does."""
        yield from ()

    def close(self) -> None:  # noqa: B027  # most have nothing
        """Release the product's other resources. May be called from any thread, and block for a second."""

    # ------------------------------------------------------------------ what it is

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """The capabilities of the engine with this broker."""

    @property
    def system(self) -> str:
        """The broker in lower case, for tracing: 'rabbitmq', 'artemis'."""
        return self.desk.announced.product.lower() or "amqp"

    # ------------------------------------------------------------------ addresses

    @abstractmethod
    def target(self, queue: str) -> Target:
        """The target for messages to a queue."""

    @abstractmethod
    def source(self, queue: str) -> Source:
        """The source for messages of a queue."""

    def opening(self, queue: str, lease: float | None, prefetch: int) -> Opening:
        """How a receiver is attached. ``lease``: seconds for which a message may be held, where there are leases."""
        return Opening(self.source(queue))

    def browsing(self, queue: str) -> Opening:
        """How to attach a link that shows messages and takes none (part 3 §3.5.3, distribution mode copy)."""
        return Opening(replace(self.source(queue), distribution_mode=Symbol("copy")))

    def sender_properties(self, queue: str) -> Fields | None:
        """Properties of a link on which messages go to a queue."""
        return None

    def reply_source(self) -> Source:
        """The source for replies to our requests: a dynamic node."""
        return Source(dynamic=True)

    def reply_target(self, reply_to: str) -> Target:
        """The target for a reply. ``reply_to`` is the result of ``queue_of``."""
        return self.target(reply_to)

    def queue_of(self, address: str) -> str:
        """The ``reply_to`` that a program sees for an address: a queue's name, if it is a queue's address."""
        return address

    # ------------------------------------------------------------------ queues

    def check_declare(self, queue: str, options: QueueOptions) -> None:  # noqa: B027
        """Raises the errors that ``declare`` can raise without asking the broker."""

    @abstractmethod
    def declare(self, queue: str, options: QueueOptions) -> Steps[None]:
        """Create a queue, and its ``dead_letter`` queue; PreconditionFailed if it exists with other options."""

    @abstractmethod
    def delete(self, queue: str) -> Steps[None]:
        """Delete a queue. A missing queue counts as deleted."""

    def require(self, queue: str) -> Steps[None]:
        """Check that a queue exists, before the first link to it.

        NotFound. By default this does nothing: brokers refuse links to a missing queue.
        """
        yield from ()

    def require_target(self, queue: str) -> Steps[None]:
        """Check that a queue exists to which messages are to be moved, also where there are none. NotFound."""
        yield from self.require(queue)

    def is_drained(self, queue: str) -> Steps[bool]:
        """The broker answered a drain with no message (part 2 §2.6.7): is the queue empty? By default yes."""
        yield from ()
        return True

    def require_reply(self, reply_to: str) -> Steps[None]:
        """Check that somebody waits for a reply at the address.

        NotFound. By default this does nothing: brokers refuse links to a missing node.
        """
        yield from ()

    def require_source(self, queue: str) -> Steps[None]:
        """``require``, before receiving. UnsupportedFeature for an address that is not a queue."""
        yield from self.require(queue)

    def fate(self, queue: str) -> Fate | None:
        """The dead letter rules, as far as known here; must not ask the broker."""
        return None

    def count(self, queue: str) -> Steps[int]:
        """How many messages are ready. NotFound."""
        yield from ()
        raise self._cannot("count")

    def purge(self, queue: str) -> Steps[int] | None:
        """Drop the ready messages; returns how many there were. NotFound.

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
        """The figures of a queue, as far as the broker tells. NotFound."""
        return QueueStats(ready=(yield from self.count(queue)))

    def move(self, source: str, target: str | None, most: int) -> Steps[int] | None:
        """Have the broker move ready messages to another queue; returns how many. NotFound.

        None: the broker cannot, and the engine receives and sends them. Without a target each goes to ``origin``.
        """
        return None

    def origin(self, message: Message) -> str | None:
        """The queue in which a dead letter died; None: not a dead letter, or unknown."""
        return origin_of(message.headers)

    # ------------------------------------------------------------------ messages

    def check(self, message: Message) -> None:
        """Raises ValueError for a message that would make the broker close the connection."""
        return

    def delay_annotations(self, seconds: float) -> dict[str, object]:
        """The message-annotations that ask for a delay.

        Milliseconds are `Long`s: no broker accepts a timestamp here.
        """
        raise self._cannot("delay")

    def is_delay_header(self, name: str) -> bool:
        """Does a header ask for a delay? Then it must not be sent again with a received message."""
        return False

    def count_of(self, message: Message, failures: int, first_acquirer: bool) -> Count:
        """How often a message was delivered. Its header has ``failures`` (delivery-count) and ``first_acquirer``."""
        return Count(failures + 1, failures > 0 or not first_acquirer)

    def shown(self, message: Message) -> Message:
        """The message without the product's own annotations for ``count_of``, as a program sees it."""
        return message

    def is_worn_out(self, queue: str, deliveries: int) -> bool:
        """Was it delivered too often, so that the engine rejects it instead of handing it out?"""
        return False

    def settlement(self, held: Held, how: How, reason: str, delay: float | None) -> Settlement:
        """How a delivery is released or rejected. ``delay`` in seconds, for a release; ``reason`` for a rejection.

        Not called for accepted deliveries.
        """
        if how == "release":
            return Settlement(FAILED)
        error = AmqpError(condition=Symbol("batonmq:rejected"), description=reason) if reason else None
        return Settlement(Rejected(error=error))

    @property
    def returned(self) -> DeliveryState:
        """The outcome for messages held by a receiver that is closed; they count as delivered."""
        return FAILED

    @property
    def unseen(self) -> DeliveryState:
        """The outcome for messages that were in flight to a receiver, and were not seen."""
        return RELEASED

    def renewal(self, session: int, delivery_id: int, seconds: float) -> Steps[None]:
        """Renew a delivery that came on that session, for ``seconds`` from now. LeaseLost."""
        yield from ()
        raise self._cannot("renew")

    def renew_unasked(self, session: int, delivery_ids: list[int], seconds: float) -> None:
        """Renew deliveries that were not requested yet, without an answer. In the loop's thread."""
        raise self._cannot("renew")

    def report(self, session: int, delivery_id: int, fraction: float, note: str) -> None:
        """Report the progress of the work on a delivery, for ``capabilities.progress``. In the loop's thread."""
        raise self._cannot("progress")

    # ------------------------------------------------------------------ requests about the broker

    def manage(self, request: Message) -> Steps[Message]:
        """Send a request of ``broker/management/``. NotFound if the broker does not answer such requests."""
        yield from ()
        raise self._cannot("requests about the broker")

    def _cannot(self, feature: str) -> UnsupportedFeature:
        return UnsupportedFeature(f"{self.engine_name}: {feature}")
