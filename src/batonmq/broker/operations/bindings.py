"""Binds queues and exchanges to exchanges on behalf of a client: checks first, then acts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.operations.checks import Checks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.routing.exchanges import Binding, Exchange
    from batonmq.fields import FieldValue


class Bindings(Checks):
    """queue.bind, exchange.bind and their opposites of AMQP 0-9-1, for every protocol."""

    __slots__ = ()

    def bind_queue(self, queue: str, exchange: str, routing_key: str, arguments: Mapping[str, FieldValue]) -> None:
        """queue.bind. Raises NotFound, AccessRefused, ResourceLocked, PreconditionFailed."""
        source = self.require_bindable(queue, exchange, routing_key)
        self.vhost.router.bind(source, self.find_queue(queue), routing_key, arguments)

    def require_bindable(self, queue: str, exchange: str, routing_key: str) -> Exchange:
        """The exchange, if the user may bind a queue of this name to it with this key.

        Raises NotFound, AccessRefused.
        """
        self._require_binding("queue", queue, exchange)
        return self._source(exchange, routing_key)

    def unbind_queue(self, queue: str, exchange: str, routing_key: str, arguments: Mapping[str, FieldValue]) -> None:
        """queue.unbind; removing a binding that does not exist is no error. Raises AccessRefused, ResourceLocked."""
        self._require_binding("queue", queue, exchange)
        destination = self.vhost.queues.get(queue)
        if destination is not None:
            self._not_locked(destination)
        self._unbind(destination, exchange, routing_key, arguments)

    def bind_exchange(self, name: str, source: str, routing_key: str, arguments: Mapping[str, FieldValue]) -> None:
        """exchange.bind. Raises NotFound, AccessRefused, PreconditionFailed."""
        self._not_default(name)
        self._require_binding("exchange", name, source)
        destination = self._exchange(name)
        self.vhost.router.bind(self._source(source, routing_key), destination, routing_key, arguments)

    def unbind_exchange(self, name: str, source: str, routing_key: str, arguments: Mapping[str, FieldValue]) -> None:
        """exchange.unbind. Raises AccessRefused."""
        self._not_default(name)
        self._require_binding("exchange", name, source)
        self._unbind(self.vhost.router.exchange(name), source, routing_key, arguments)

    def bindings_between(self, source: str, destination: str, *, to_queue: bool) -> list[Binding]:
        """The bindings between two; none if either is missing.

        Raises AccessRefused for a user who may not bind them.
        """
        if not to_queue:
            self._not_default(destination)
        self._require_binding("queue" if to_queue else "exchange", destination, source)
        router = self.vhost.router
        found: Queue | Exchange | None
        found = self.vhost.queues.get(destination) if to_queue else router.exchange(destination)
        exchange = router.exchange(source)
        return router.bindings_between(exchange, found) if exchange is not None and found is not None else []

    def _require_binding(self, kind: str, name: str, source: str) -> None:
        self._not_default(source)
        self._require("write", kind, name)
        self._require("read", "exchange", source)

    def _source(self, name: str, routing_key: str) -> Exchange:
        """The exchange that something is bound to with this key. Raises NotFound, AccessRefused."""
        exchange = self._exchange(name)
        self._require_topic(exchange, routing_key)
        return exchange

    def _require_topic(self, source: Exchange, routing_key: str) -> None:
        if source.has_topics:
            self.user.require_topics(self.vhost.name, "read", source.name, [routing_key])

    def _unbind(
        self,
        destination: Queue | Exchange | None,
        source: str,
        routing_key: str,
        arguments: Mapping[str, FieldValue],
    ) -> None:
        exchange = self.vhost.router.exchange(source)
        if exchange is None or destination is None:
            return
        self._require_topic(exchange, routing_key)
        binding = self.vhost.router.find_binding(exchange, destination, routing_key, arguments)
        if binding is not None:
            self.vhost.router.unbind(binding)
