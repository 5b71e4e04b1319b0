"""The base of all exchanges, and the interfaces of their destinations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

from batonmq.broker.model.counters import ExchangeCounters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.properties import Properties


ALTERNATE_EXCHANGE = "alternate-exchange"


class Destination(Protocol):
    """What can be bound to an exchange: a queue or another exchange."""

    name: str
    survives_restart: bool
    """Does it survive a restart, along with its bindings?"""


class Target(Destination, Protocol):
    """The target of a routed message: a queue, or a consumer waiting for a direct reply."""

    def publish(self, message: Message) -> int:
        """Take the message; returns REFUSED, KEPT or STORED."""
        ...

    def expect(self, message: Message) -> None:
        """Prepare for a message that the broker itself enqueues, in place of one in the store."""
        ...

    def has_room_for(self, size: int) -> bool:
        """Would it accept a message of that many octets?"""
        ...

    def has_room_for_all(self, messages: Sequence[Message]) -> bool:
        """Would it accept all of these messages, with nothing taken out of it meanwhile?"""
        ...


@dataclass(frozen=True, slots=True)
class ExchangeOptions:
    """The options of an exchange. Its type defines the meaning of further arguments."""

    name: str
    durable: bool = False
    """Does it survive a restart?"""
    auto_delete: bool = False
    """Is it deleted with the last binding from it?"""
    internal: bool = False
    """Is it only for other exchanges, and closed to publishers?"""
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
    # Does only the key matter, and not the headers? Then a route can be cached.
    by_key: bool = True
    # Does the key matter at all? If not, a message with several (CC, BCC) is matched once.
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
        # In order; a dictionary, so that removing one of ten thousand is as quick as removing the only one.
        self.bindings: dict[Binding, None] = {}
        # The exchanges among the destinations, with the number of bindings to each.
        self.onward: dict[Exchange, int] = {}
        own = self.arguments.get(ALTERNATE_EXCHANGE)
        self._own_alternate = str(own) if isinstance(own, str) else None
        # The name of the exchange for messages that this one cannot route.
        self.alternate = self._own_alternate

    def follow_policy(self, alternate: str | None) -> None:
        """Set the alternate exchange of a policy, or None for none; a declared one takes precedence."""
        self.alternate = alternate if self._own_alternate is None else self._own_alternate

    def check_arguments(self, arguments: Mapping[str, FieldValue]) -> None:  # noqa: B027 (most types take any)
        """Refuse a binding's arguments that are invalid here. Raises PreconditionFailed."""

    def check_key(self, routing_key: str) -> None:  # noqa: B027 (most types take any)
        """Refuse a binding's key that is invalid here. Raises PreconditionFailed."""

    def bind(self, binding: Binding) -> None:
        """Add a new binding."""
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
        """The destinations of a message, for types that are not ``by_key`` and check more than headers."""
        return self.match(routing_key, headers)

    def __repr__(self) -> str:
        return f"<Exchange {self.name!r} ({self.kind})>"


# Creates an exchange; raises PreconditionFailed for arguments that its type does not accept.
ExchangeType: TypeAlias = Callable[[ExchangeOptions], Exchange]
