"""What all exchanges have in common, and what they know of where messages end up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

from batonmq.broker.model.counters import ExchangeCounters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.properties import Properties


ALTERNATE_EXCHANGE = "alternate-exchange"


class Destination(Protocol):
    """What can be bound to an exchange: a queue or another exchange."""

    name: str
    survives_restart: bool
    """Does it come back after a restart, and what binds it with it?"""


class Target(Destination, Protocol):
    """Where a routed message ends up: a queue, or whoever waits for a direct reply."""

    durable: bool

    def publish(self, message: Message) -> int:
        """Take the message; tells REFUSED, KEPT or STORED."""
        ...

    def expect(self, message: Message) -> None:
        """The broker itself is about to put this in, for a message that is in the store."""
        ...

    def has_room_for(self, size: int, count: int = 1) -> bool:
        """Would it take that many messages, of that many octets together, and refuse none?"""
        ...


@dataclass(frozen=True, slots=True)
class ExchangeOptions:
    """What an exchange is declared with. Only its type says what else its arguments mean."""

    name: str
    durable: bool = False
    """Does it come back after a restart?"""
    auto_delete: bool = False
    """Does it go with the last binding from it?"""
    internal: bool = False
    """Is it for other exchanges alone, and not for clients to publish to?"""
    arguments: Mapping[str, FieldValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """From an exchange to a destination, by a routing key or by arguments."""

    source: Exchange
    destination: Destination
    routing_key: str
    arguments: Mapping[str, FieldValue]


class Exchange(ABC):
    """Base of the exchange types. Bindings are kept here; a subclass keeps what it needs to match quickly."""

    kind: ClassVar[str]
    # Does only the key count, and not the headers? Then a route can be remembered.
    by_key: bool = True
    # Does the key count at all? If not, a message with many (CC, BCC) is matched once.
    uses_key: bool = True
    # Are its keys topics, for which users have permissions of their own?
    has_topics: bool = False

    def __init__(self, options: ExchangeOptions) -> None:
        self.name = options.name
        self.durable = self.survives_restart = options.durable
        self.auto_delete = options.auto_delete
        self.internal = options.internal
        self.arguments = options.arguments
        self.counters = ExchangeCounters()
        # In their order; a dictionary, since one of ten thousand is to go as quickly as the only one.
        self.bindings: dict[Binding, None] = {}
        # The exchanges among the destinations, with how many of the bindings lead there.
        self.onward: dict[Exchange, int] = {}
        own = self.arguments.get(ALTERNATE_EXCHANGE)
        self._own_alternate = str(own) if isinstance(own, str) else None
        # The name of the exchange that gets what this one cannot route.
        self.alternate = self._own_alternate

    def follow_policy(self, alternate: str | None) -> None:
        """A policy names an alternate exchange, or (None) does not any more; what was declared counts before it."""
        self.alternate = alternate if self._own_alternate is None else self._own_alternate

    def check_arguments(self, arguments: Mapping[str, FieldValue]) -> None:  # noqa: B027 (most types take any)
        """Refuse a binding's arguments that mean nothing here. Raises PreconditionFailed."""

    def check_key(self, routing_key: str) -> None:  # noqa: B027 (most types take any)
        """Refuse a binding's key that means nothing here. Raises PreconditionFailed."""

    def bind(self, binding: Binding) -> None:
        """Add a binding that is not there yet."""
        self.bindings[binding] = None
        if isinstance(binding.destination, Exchange):
            self.onward[binding.destination] = self.onward.get(binding.destination, 0) + 1
        self._added(binding)

    def unbind(self, binding: Binding) -> None:
        """Remove a binding."""
        del self.bindings[binding]
        if isinstance(binding.destination, Exchange):
            self.onward[binding.destination] -= 1
            if not self.onward[binding.destination]:
                del self.onward[binding.destination]
        self._removed(binding)

    @abstractmethod
    def _added(self, binding: Binding) -> None: ...

    @abstractmethod
    def _removed(self, binding: Binding) -> None: ...

    @abstractmethod
    def match(self, routing_key: str, headers: Mapping[str, FieldValue]) -> Iterable[Destination]:
        """Where a message goes; a destination may come more than once."""

    def match_message(
        self, routing_key: str, headers: Mapping[str, FieldValue], properties: Properties | None
    ) -> Iterable[Destination]:
        """The destinations of a message, for types that are not ``by_key`` and look at more than headers."""
        return self.match(routing_key, headers)

    def __repr__(self) -> str:
        return f"<Exchange {self.name!r} ({self.kind})>"


# Makes an exchange; raises PreconditionFailed for arguments that mean nothing to its type.
ExchangeType: TypeAlias = Callable[[ExchangeOptions], Exchange]
