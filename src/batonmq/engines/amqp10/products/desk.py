"""What a product may ask of the engine: to send, to send requests, to check that something exists."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import NamedTuple

from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.protocols.amqp10.codec.composites import Fields
from batonmq.protocols.amqp10.codec.performatives import Source, Target
from batonmq.protocols.amqp10.codec.sections import Sections

__all__ = ["Announced", "Answer", "Desk", "Opening", "Terms"]


@dataclass(frozen=True, slots=True)
class Announced:
    """What the broker announced in its open (part 2 §2.7.1)."""

    product: str = ""
    version: str = ""
    capabilities: frozenset[str] = frozenset()
    """``offered-capabilities``."""
    properties: Mapping[str, object] = field(default_factory=dict)
    """All of ``properties``."""

    @property
    def release(self) -> tuple[int, ...]:
        """The numeric part of the version: (4, 3, 6)."""
        numbers = []
        for piece in self.version.split("."):
            if not (piece.isascii() and piece.isdigit() and len(piece) < 10):
                break
            numbers.append(int(piece))
        return tuple(numbers)


@dataclass(frozen=True, slots=True)
class Opening:
    """How a receiving link is attached."""

    source: Source
    properties: Fields | None = None
    """The properties of the link (part 2 §2.7.3)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The product's part of a URL."""

    user: str | None = None
    password: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The parameters for products in the query."""
    tls: SSLContext | None = None


class Answer(NamedTuple):
    """The answer over a pair of links, as RabbitMQ's management has them: HTTP in messages."""

    status: int
    body: object


class Desk(ABC):
    """The engine as products see it. All may be called from any thread; nothing blocks.

    Futures fail with ConnectionLost if the connection is lost, with Closed, and with the broker's error as one of
    `batonmq.errors`.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def announced(self) -> Announced:
        """What the broker announced."""

    @property
    @abstractmethod
    def has_coordinator(self) -> bool:
        """Does the broker take transactions (part 4)? Determined once, after the first connect."""

    @property
    @abstractmethod
    def terms(self) -> Terms:
        """The URL's parameters."""

    @abstractmethod
    def call(self, function: Callable[[], None]) -> None:
        """Run a function in the loop's thread. Raises Closed."""

    @abstractmethod
    def ask(
        self,
        target: Target,
        body: object = None,
        *,
        application: Mapping[str, object] | None = None,
        properties: Mapping[str, object] | None = None,
        within: float | None = None,
    ) -> Future[Sections]:
        """Send a request with a reply-to of the engine's own, and resolve with the reply.

        ``body`` is an amqp-value; bytes are a section of data. ``properties`` are fields of `MessageProperties` beside
        reply-to, message-id and correlation-id, which the engine sets. NotFound if nothing takes the request, or there
        is no answer ``within`` that many seconds.
        """

    @abstractmethod
    def ask_pair(self, method: str, path: str, body: object = None, node: str = "/management") -> Future[Answer]:
        """A request over the pair of links to a node: ``PUT``, ``/queues/orders``. Any status counts as an answer."""

    @abstractmethod
    def probe(self, terminus: Source | Target) -> Future[None]:
        """Attach a link, and detach it again. NotFound, AccessRefused and so on if the broker refuses it."""

    @abstractmethod
    def send(self, target: Target, payloads: Sequence[bytes], queue: str) -> Future[None]:
        """Send encoded messages; resolved when all are accepted. ``queue`` is for error texts."""

    @abstractmethod
    def look(self, opening: Opening, most: int) -> Future[list[Message]]:
        """Receive up to that many available messages, settle none, and detach. For browsing."""

    @abstractmethod
    def later(self, seconds: float) -> Future[None]:
        """Resolved after so many seconds."""
