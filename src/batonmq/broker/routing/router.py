"""The router of a virtual host: its exchanges, its bindings, and how a message finds its targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.counters import ExchangeCounters
from batonmq.broker.model.outcomes import KEPT, REFUSED, STORED
from batonmq.broker.routing.bindings import Bindings
from batonmq.broker.routing.exchanges import EXCHANGE_TYPES, Binding, DefaultExchange, Exchange, ExchangeOptions
from batonmq.store.records import Definition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from batonmq.broker.routing.exchanges import Destination, Target
    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.properties import Properties
    from batonmq.store.interface import Store

# Every virtual host has these (AMQP 0-9-1 §3.1.3, and RabbitMQ's amq.rabbitmq.trace).
PREDECLARED = (
    ("amq.direct", "direct", False),
    ("amq.fanout", "fanout", False),
    ("amq.topic", "topic", False),
    ("amq.headers", "headers", False),
    ("amq.match", "headers", False),
    ("amq.rabbitmq.trace", "topic", True),
)
_PREDECLARED_NAMES = frozenset({"", *(name for name, _, _ in PREDECLARED)})


def needs_disk(message: Message, targets: Iterable[Target]) -> bool:
    """Must the store keep the message for one of its targets? Then it is refused while the store takes nothing."""
    return message.properties.persistent and any(target.survives_restart for target in targets)


class Router:
    """Routes messages from exchanges to targets. It does not check changes: ``Operations`` does that."""

    __slots__ = ("_bindings", "_store", "_vhost", "default", "exchanges", "of_deleted", "version")

    def __init__(self, vhost: str, store: Store, find: Callable[[str], Target | None]) -> None:
        """``find`` returns the target that the default exchange reaches by a name; None: there is none."""
        self._vhost = vhost
        self._store = store
        self._bindings = Bindings(vhost, store)
        # Cached routes are valid as long as this number is the same.
        self.version = 0
        self.of_deleted = ExchangeCounters()
        """The counters of the exchanges that were deleted."""
        self.default = DefaultExchange(find)
        self.exchanges: dict[str, Exchange] = {"": self.default}
        for name, kind, internal in PREDECLARED:
            self.exchanges[name] = EXCHANGE_TYPES[kind](ExchangeOptions(name, durable=True, internal=internal))

    def changed(self) -> None:
        """Bindings or rights have changed: cached routes are invalid."""
        self.version += 1

    # ------------------------------------------------------------------ exchanges

    def exchange(self, name: str) -> Exchange | None:
        """The exchange of that name; None: there is none."""
        return self.exchanges.get(name)

    def counters_of(self, name: str) -> ExchangeCounters:
        """The counters for messages to the exchange of that name, which may have been deleted since."""
        exchange = self.exchanges.get(name)
        return exchange.counters if exchange is not None else self.of_deleted

    @staticmethod
    def is_predeclared(exchange: Exchange) -> bool:
        """Is it one that every virtual host always has?"""
        return exchange.name in _PREDECLARED_NAMES

    def add_exchange(self, kind: str, options: ExchangeOptions, *, keep: bool = True) -> Exchange:
        """Create an exchange of one of EXCHANGE_TYPES; ``keep`` writes a durable one to the store.

        Raises PreconditionFailed for arguments that are invalid for its type.
        """
        exchange = EXCHANGE_TYPES[kind](options)
        self.exchanges[options.name] = exchange
        self.changed()
        if options.durable and keep:
            value = {"type": kind, "auto_delete": options.auto_delete, "internal": options.internal}
            self._store.define(Definition("exchange", self._vhost, options.name, value, options.arguments))
        return exchange

    def remove_exchange(self, exchange: Exchange) -> None:
        """Delete an exchange and all bindings from it and to it. Auto-delete exchanges go with their last binding."""
        ending = [exchange]
        while ending:
            ended = ending.pop()
            if self.exchanges.get(ended.name) is not ended:
                continue
            del self.exchanges[ended.name]
            self.of_deleted.add(ended.counters)
            self.changed()
            for binding in [*ended.bindings, *self._bindings.to(ended)]:
                if self._bindings.remove(binding):
                    ending += self._ended_by(binding)
            if ended.durable:
                self._store.forget("exchange", self._vhost, ended.name)

    # ------------------------------------------------------------------ bindings

    def bind(
        self,
        source: Exchange,
        destination: Destination,
        routing_key: str,
        arguments: Mapping[str, FieldValue],
        *,
        keep: bool = True,
    ) -> None:
        """Add a binding, unless it exists. ``keep`` writes it to the store if both its ends are durable.

        Raises PreconditionFailed for a key or arguments that are invalid for the source.
        """
        source.check_arguments(arguments)
        source.check_key(routing_key)
        if self.find_binding(source, destination, routing_key, arguments) is None:
            self._bindings.add(Binding(source, destination, routing_key, arguments), keep=keep)
            self.changed()

    def find_binding(
        self, source: Exchange, destination: Destination, routing_key: str, arguments: Mapping[str, FieldValue]
    ) -> Binding | None:
        """The binding with this key and these arguments; None: there is none."""
        return self._bindings.find(source, destination, routing_key, arguments)

    def bindings_to(self, destination: Destination) -> list[Binding]:
        """All bindings to a destination."""
        return self._bindings.to(destination)

    def bindings_between(self, source: Exchange, destination: Destination) -> list[Binding]:
        """All bindings from an exchange to a destination."""
        return [binding for binding in self._bindings.to(destination) if binding.source is source]

    def unbind(self, binding: Binding) -> None:
        """Remove a binding. An auto-delete exchange is deleted with the last binding from it, and so on."""
        if self._bindings.remove(binding):
            self.changed()
            for exchange in self._ended_by(binding):
                self.remove_exchange(exchange)

    @staticmethod
    def _ended_by(binding: Binding) -> list[Exchange]:
        """The binding's source, to be deleted, if it is an auto-delete exchange and this was its last binding."""
        source = binding.source
        return [source] if source.auto_delete and not source.bindings else []

    def unbind_all(self, destination: Destination) -> None:
        """Remove all bindings to a deleted destination."""
        for binding in self._bindings.to(destination):
            self.unbind(binding)

    # ------------------------------------------------------------------ the way of a message

    def goes_by_key(self, exchange: Exchange) -> bool:
        """Is the key all that matters to this exchange and to every exchange that it leads to?"""
        seen: set[str] = set()
        ahead = [exchange]
        while ahead:
            current = ahead.pop()
            if not current.by_key:
                return False
            seen.add(current.name)
            # There are few of these, even among ten thousand bindings.
            following = list(current.onward)
            if current.alternate is not None and current.alternate in self.exchanges:
                following.append(self.exchanges[current.alternate])
            ahead += [other for other in following if other.name not in seen]
        return True

    def route(
        self,
        exchange: Exchange,
        routing_keys: list[str],
        headers: Mapping[str, FieldValue],
        properties: Properties | None = None,
    ) -> list[Target]:
        """The targets that a message reaches, each once, through bound and alternate exchanges.

        Only exchanges that are not ``by_key`` use ``properties``.
        """
        targets: dict[Target, None] = {}
        seen = {exchange.name}
        ahead = [exchange]
        while ahead:
            current = ahead.pop()
            found = False
            for key in routing_keys if current.uses_key else routing_keys[:1]:
                matching = (
                    current.match(key, headers) if current.by_key else current.match_message(key, headers, properties)
                )
                for destination in matching:
                    found = True
                    if isinstance(destination, Exchange):
                        if destination.name not in seen:
                            seen.add(destination.name)
                            ahead.append(destination)
                    else:
                        targets[destination] = None  # type: ignore[index]
            alternate = None if found or current.alternate is None else self.exchanges.get(current.alternate)
            if alternate is not None and alternate.name not in seen:
                seen.add(alternate.name)
                ahead.append(alternate)
        return list(targets)

    def publish(self, message: Message, targets: list[Target]) -> int:
        """Enqueue a routed message in its targets.

        Returns REFUSED if any target refused, STORED if any needs the disk.
        """
        outcome = KEPT
        refused = False
        if len(targets) > 1:
            self._store.share(message)
        for target in targets:
            result = target.publish(message)
            if result == STORED:
                outcome = STORED
            elif result == REFUSED:
                refused = True
        return REFUSED if refused else outcome
