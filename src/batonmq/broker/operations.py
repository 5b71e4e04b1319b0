"""What a client may ask of its virtual host: checked against rules and permissions, then done.

One object for each client connection, whatever its protocol. Errors are of the tree in ``errors.py``, with the texts
that RabbitMQ's clients know.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from batonmq.broker.exchanges import EXCHANGE_TYPES, Exchange
from batonmq.broker.management import MANAGEMENT, ManagementTarget
from batonmq.broker.queue import Queue
from batonmq.broker.settings import ARGUMENTS, require_equivalent
from batonmq.errors import AccessRefused, NotFound, PreconditionFailed, ResourceLocked
from batonmq.fields import type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker.access import User
    from batonmq.broker.consumer import Consumer
    from batonmq.broker.exchanges.base import Target
    from batonmq.broker.vhost import VirtualHost
    from batonmq.fields import FieldValue

NO_HEADERS: dict[str, FieldValue] = {}


class Route:
    """Where messages for an exchange and a key go, as long as the virtual host's version stands."""

    __slots__ = ("by_key", "exchange", "queue", "targets", "version")

    def __init__(self, version: int, exchange: Exchange, targets: list[Target], *, by_key: bool) -> None:
        self.version = version
        self.exchange = exchange
        self.targets = targets
        # The one queue, which is what most routes have.
        single = targets[0] if len(targets) == 1 and by_key else None
        self.queue = single if isinstance(single, Queue) else None
        # False: the headers of each message count, so that it must be routed by itself.
        self.by_key = by_key


class Operations:
    """See the module. ``owner`` stands for the connection: exclusive queues belong to it."""

    __slots__ = ("owned", "owner", "user", "vhost")

    def __init__(self, vhost: VirtualHost, user: User, owner: object) -> None:
        self.vhost = vhost
        self.user = user
        self.owner = owner
        # The connection's exclusive queues, which go with it.
        self.owned: dict[str, Queue] = {}

    # ------------------------------------------------------------------ exchanges

    def declare_exchange(
        self,
        name: str,
        kind: str,
        *,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Mapping[str, FieldValue] | None = None,
    ) -> Exchange:
        """exchange.declare. Raises AccessRefused, PreconditionFailed."""
        arguments = arguments or {}
        name = _clean(name)
        self._not_default(name)
        if kind not in EXCHANGE_TYPES:
            raise PreconditionFailed(f"unknown exchange type '{kind}'")
        self._require("configure", "exchange", name)
        existing = self.vhost.exchanges.get(name)
        if existing is not None:
            _require_same_exchange(existing, self.vhost.name, kind, durable, auto_delete, internal, arguments)
            return existing
        _not_reserved("exchange", name)
        alternate = arguments.get("alternate-exchange")
        if alternate is not None:
            if not isinstance(alternate, str):
                raise PreconditionFailed(
                    f"invalid type '{type_name(alternate)}' for arg 'alternate-exchange'"
                    f" in {self._described('exchange', name)}"
                )
            self._require("read", "exchange", name)
            self._require("write", "exchange", str(alternate))
        return self.vhost.add_exchange(
            name, kind, durable=durable, auto_delete=auto_delete, internal=internal, arguments=arguments
        )

    def find_exchange(self, name: str) -> Exchange:
        """The exchange of that name. Raises NotFound, and AccessRefused for the default exchange."""
        self._not_default(name)
        return self._exchange(_clean(name))

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        """exchange.delete; one that does not exist is deleted already. Raises AccessRefused, PreconditionFailed."""
        self._not_default(name)
        if name.startswith("amq.") and name in self.vhost.exchanges:
            raise AccessRefused(f"deletion of system {self._described('exchange', name)} not allowed")
        self._require("configure", "exchange", name)
        exchange = self.vhost.exchanges.get(name)
        if exchange is None:
            return
        if if_unused and exchange.bindings:
            raise PreconditionFailed(f"{self._described('exchange', name)} in use")
        self.vhost.remove_exchange(exchange)

    # ------------------------------------------------------------------ queues

    def declare_queue(
        self,
        name: str,
        *,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, FieldValue] | None = None,
    ) -> Queue:
        """queue.declare; "" has a name made. Raises AccessRefused, PreconditionFailed, ResourceLocked, StoreError."""
        arguments = arguments or {}
        name = _clean(name)
        if name:
            existing = self.vhost.queues.get(name)
            if existing is not None:
                self._require("configure", "queue", name)
                self._require_same_queue(existing, durable, exclusive, auto_delete, arguments)
                existing.used()
                return existing
            _not_reserved("queue", name)
            self._require("configure", "queue", name)
        else:
            if arguments.get("x-queue-type") == "quorum":
                raise PreconditionFailed("server-named queues cannot be of type quorum")
            name = "amq.gen-" + secrets.token_urlsafe(16)
        dead_letters = arguments.get("x-dead-letter-exchange")
        if dead_letters is not None and not isinstance(dead_letters, str):
            raise PreconditionFailed(
                f"invalid type '{type_name(dead_letters)}' for arg 'x-dead-letter-exchange'"
                f" in {self._described('queue', name)}"
            )
        if dead_letters is not None:
            self._require("read", "queue", name)
            self._require("write", "exchange", str(dead_letters))
        queue = self.vhost.add_queue(
            name,
            durable=durable,
            auto_delete=auto_delete,
            owner=self.owner if exclusive else None,
            arguments=arguments,
        )
        if exclusive:
            self.owned[name] = queue
        return queue

    def _require_same_queue(
        self, queue: Queue, durable: bool, exclusive: bool, auto_delete: bool, arguments: Mapping[str, FieldValue]
    ) -> None:
        self._not_locked(queue)
        if queue.exclusive != exclusive:
            raise _locked(queue, self.vhost.name)
        described = self._described("queue", queue.name)
        _require_flags(
            described, (("durable", durable, queue.durable), ("auto_delete", auto_delete, queue.auto_delete))
        )
        require_equivalent(queue.arguments, arguments, described, tuple(ARGUMENTS))

    def find_queue(self, name: str) -> Queue:
        """The queue of that name, which may be used by this connection. Raises NotFound, ResourceLocked."""
        queue = self.vhost.queues.get(_clean(name))
        if queue is None:
            raise NotFound(f"no {self._described('queue', name)}")
        self._not_locked(queue)
        return queue

    def purge_queue(self, name: str) -> int:
        """queue.purge; tells how many messages went. Raises NotFound, AccessRefused, ResourceLocked."""
        queue = self.find_queue(name)
        self._require("read", "queue", name)
        return queue.purge()

    def delete_queue(self, name: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """queue.delete; one that does not exist is deleted already. Tells how many messages were ready.

        Raises AccessRefused, PreconditionFailed, ResourceLocked.
        """
        queue = self.vhost.queues.get(name)
        if queue is not None:
            self._not_locked(queue)
        self._require("configure", "queue", name)
        if queue is None:
            return 0
        if if_unused and queue.consumers:
            raise PreconditionFailed(f"{self._described('queue', name)} in use")
        if if_empty and queue.ready_count:
            raise PreconditionFailed(f"{self._described('queue', name)} not empty")
        self.owned.pop(name, None)
        return self.vhost.remove_queue(queue)

    def release_owned(self) -> None:
        """The connection is gone: its exclusive queues go."""
        for queue in list(self.owned.values()):
            self.vhost.remove_queue(queue)
        self.owned.clear()

    # ------------------------------------------------------------------ bindings

    def bind_queue(self, queue: str, exchange: str, routing_key: str, arguments: Mapping[str, FieldValue]) -> None:
        """queue.bind. Raises NotFound, AccessRefused, ResourceLocked, PreconditionFailed."""
        destination = self.find_queue(queue)
        self._bind("queue", destination, exchange, routing_key, arguments)

    def unbind_queue(self, queue: str, exchange: str, routing_key: str, arguments: Mapping[str, FieldValue]) -> None:
        """queue.unbind; what is not bound is unbound already. Raises AccessRefused, ResourceLocked."""
        destination = self.vhost.queues.get(queue)
        if destination is not None:
            self._not_locked(destination)
        self._unbind("queue", queue, destination, exchange, routing_key, arguments)

    def bind_exchange(self, name: str, source: str, routing_key: str, arguments: Mapping[str, FieldValue]) -> None:
        """exchange.bind. Raises NotFound, AccessRefused, PreconditionFailed."""
        self._not_default(name)
        self._bind("exchange", self._exchange(name), source, routing_key, arguments)

    def unbind_exchange(self, name: str, source: str, routing_key: str, arguments: Mapping[str, FieldValue]) -> None:
        """exchange.unbind. Raises AccessRefused."""
        self._not_default(name)
        self._unbind("exchange", name, self.vhost.exchanges.get(name), source, routing_key, arguments)

    def _bind(
        self,
        kind: str,
        destination: Queue | Exchange,
        source: str,
        routing_key: str,
        arguments: Mapping[str, FieldValue],
    ) -> None:
        self._not_default(source)
        self._require("write", kind, destination.name)
        self._require("read", "exchange", source)
        self.vhost.add_binding(self._exchange(source), destination, routing_key, arguments)

    def _unbind(
        self,
        kind: str,
        name: str,
        destination: Queue | Exchange | None,
        source: str,
        routing_key: str,
        arguments: Mapping[str, FieldValue],
    ) -> None:
        self._not_default(source)
        self._require("write", kind, name)
        self._require("read", "exchange", source)
        exchange = self.vhost.exchanges.get(source)
        if exchange is None or destination is None:
            return
        binding = self.vhost.find_binding(exchange, destination, routing_key, arguments)
        if binding is not None:
            self.vhost.remove_binding(binding)

    # ------------------------------------------------------------------ messages

    def resolve(self, exchange_name: str, routing_key: str) -> Route:
        """Where messages for an exchange and a key go. Raises NotFound, AccessRefused."""
        if exchange_name == MANAGEMENT:
            return Route(-1, self.vhost.default, [ManagementTarget(self)], by_key=True)
        exchange = self._exchange(exchange_name)
        self._require("write", "exchange", exchange_name)
        if exchange.internal:
            raise AccessRefused(f"cannot publish to internal {self._described('exchange', exchange_name)}")
        # While the store cannot write, each message is looked at: only persistent ones are refused.
        by_key = self._goes_by_key(exchange) and self.vhost.broker.store.error is None
        targets = self.vhost.route(exchange, [routing_key], NO_HEADERS) if by_key else []
        return Route(self.vhost.version, exchange, targets, by_key=by_key)

    def _goes_by_key(self, exchange: Exchange) -> bool:
        """Does no exchange that the message may pass look at headers?"""
        seen: set[str] = set()
        ahead = [exchange]
        while ahead:
            current = ahead.pop()
            if not current.by_key:
                return False
            seen.add(current.name)
            following = [binding.destination for binding in current.bindings]
            if current.alternate is not None and current.alternate in self.vhost.exchanges:
                following.append(self.vhost.exchanges[current.alternate])
            ahead += [other for other in following if isinstance(other, Exchange) and other.name not in seen]
        return True

    def require_readable(self, name: str) -> Queue:
        """The queue, if this client may take messages from it. Raises NotFound, AccessRefused, ResourceLocked."""
        queue = self.find_queue(name)
        self._require("read", "queue", name)
        return queue

    def subscribe(self, queue: Queue, consumer: Consumer) -> None:
        """basic.consume. Raises AccessRefused when somebody has, or wants, the queue for himself."""
        alone = not queue.consumers and not queue.settings.single_active
        if (consumer.exclusive and not alone) or any(other.exclusive for other in queue.consumers):
            raise AccessRefused(f"{self._described('queue', queue.name)} in exclusive use")
        queue.subscribe(consumer)

    # ------------------------------------------------------------------ checks

    def _exchange(self, name: str) -> Exchange:
        exchange = self.vhost.exchanges.get(name)
        if exchange is None:
            raise NotFound(f"no {self._described('exchange', name)}")
        return exchange

    def _require(self, operation: str, kind: str, name: str) -> None:
        if name.startswith("amq.gen-"):
            return
        self.user.require(self.vhost.name, operation, kind, name)

    def _described(self, kind: str, name: str) -> str:
        return f"{kind} '{name}' in vhost '{self.vhost.name}'"

    def _not_locked(self, queue: Queue) -> None:
        if queue.owner is not None and queue.owner is not self.owner:
            raise _locked(queue, self.vhost.name)

    @staticmethod
    def _not_default(name: str) -> None:
        if name == "":
            raise AccessRefused("operation not permitted on the default exchange")


def _locked(queue: Queue, vhost: str) -> ResourceLocked:
    return ResourceLocked(
        f"cannot obtain exclusive access to locked queue '{queue.name}' in vhost '{vhost}'. It could be originally"
        " declared on another connection or the exclusive property value does not match that of the original"
        " declaration."
    )


def _not_reserved(kind: str, name: str) -> None:
    if name.startswith("amq."):
        raise AccessRefused(f"{kind} name '{name}' contains reserved prefix 'amq.*'")


def _clean(name: str) -> str:
    """Line ends in names are dropped, as RabbitMQ does: they make log lines and listings lie."""
    return name.replace("\r", "").replace("\n", "") if "\n" in name or "\r" in name else name


def _require_flags(described: str, flags: tuple[tuple[str, bool, bool], ...]) -> None:
    for flag, received, current in flags:
        if received != current:
            raise PreconditionFailed(
                f"inequivalent arg '{flag}' for {described}: received '{str(received).lower()}'"
                f" but current is '{str(current).lower()}'"
            )


def _require_same_exchange(
    exchange: Exchange,
    vhost: str,
    kind: str,
    durable: bool,
    auto_delete: bool,
    internal: bool,
    arguments: Mapping[str, FieldValue],
) -> None:
    described = f"exchange '{exchange.name}' in vhost '{vhost}'"
    if exchange.kind != kind:
        raise PreconditionFailed(
            f"inequivalent arg 'type' for {described}: received '{kind}' but current is '{exchange.kind}'"
        )
    _require_flags(
        described,
        (
            ("durable", durable, exchange.durable),
            ("auto_delete", auto_delete, exchange.auto_delete),
            ("internal", internal, exchange.internal),
        ),
    )
    require_equivalent(exchange.arguments, arguments, described, ("alternate-exchange",))
