"""A virtual host: its exchanges, queues and bindings, and the way of a message between them."""

from __future__ import annotations

import json
from operator import itemgetter
from typing import TYPE_CHECKING

from batonmq.broker.model.counters import Counters
from batonmq.broker.queues.queue import KEPT, REFUSED, STORED, Queue
from batonmq.broker.routing.direct_replies import ReplyDesk
from batonmq.broker.routing.exchanges import EXCHANGE_TYPES, Binding, DefaultExchange, Exchange
from batonmq.broker.vhosts.policies import Policies
from batonmq.store.records import Definition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from batonmq.broker.model.scheduler import Scheduler
    from batonmq.broker.routing.exchanges.base import Destination, Target
    from batonmq.fields import FieldValue
    from batonmq.message import Message
    from batonmq.properties import Properties
    from batonmq.store.records import LaneRecord

BindingKey = tuple[Exchange, str, str]

# Every virtual host has these (AMQP 0-9-1 §3.1.3, and RabbitMQ's amq.rabbitmq.trace).
PREDECLARED = (
    ("amq.direct", "direct", False),
    ("amq.fanout", "fanout", False),
    ("amq.topic", "topic", False),
    ("amq.headers", "headers", False),
    ("amq.match", "headers", False),
    ("amq.rabbitmq.trace", "topic", True),
)


class VirtualHost:
    """See the module. Changes here are not checked: ``Operations`` does that for clients."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.scheduler = scheduler
        self.store = scheduler.store
        self.name = name
        # Rises with every change of what is bound to what: a remembered route is good while this stands.
        self.version = 0
        self.queues: dict[str, Queue] = {}
        self._of_deleted = Counters()
        self.exchanges: dict[str, Exchange] = {}
        self.policies = Policies(self)
        self.replies = ReplyDesk()
        self.default = DefaultExchange(self._find_target)
        self.exchanges[""] = self.default
        for exchange_name, kind, internal in PREDECLARED:
            exchange = EXCHANGE_TYPES[kind](exchange_name, durable=True, internal=internal)
            self.exchanges[exchange_name] = exchange
        # Bindings by their destination, for when that goes, and there by what makes each one of its own.
        self._bindings_to: dict[object, dict[BindingKey, Binding]] = {}
        # Who wants to know of each queue that is made, by whoever they are of.
        self.on_queue: dict[object, Callable[[Queue], None]] = {}

    def _find_target(self, name: str) -> Destination | None:
        return self.queues.get(name) or self.replies.find(name)

    def changed(self) -> None:
        """What is bound to what, or may be done, has changed: remembered routes are not good any more."""
        self.version += 1

    # ------------------------------------------------------------------ exchanges

    def exchange(self, name: str) -> Exchange | None:
        """The exchange of that name, if there is one."""
        return self.exchanges.get(name)

    def add_exchange(
        self,
        name: str,
        kind: str,
        *,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: Mapping[str, FieldValue],
        keep: bool = True,
    ) -> Exchange:
        """Make an exchange; ``keep`` writes a durable one to the store."""
        exchange = EXCHANGE_TYPES[kind](
            name, durable=durable, auto_delete=auto_delete, internal=internal, arguments=arguments
        )
        self.policies.apply_to_exchange(exchange)
        self.exchanges[name] = exchange
        self.version += 1
        if durable and keep:
            value = {"type": kind, "auto_delete": auto_delete, "internal": internal}
            self.store.define(Definition("exchange", self.name, name, value, arguments))
        return exchange

    def remove_exchange(self, exchange: Exchange) -> None:
        """Delete an exchange with all bindings from it and to it."""
        if self.exchanges.get(exchange.name) is not exchange:
            return
        del self.exchanges[exchange.name]
        self.version += 1
        for binding in list(exchange.bindings):
            self._drop_binding(binding)
        self._drop_bindings_to(exchange)
        if exchange.durable:
            self.store.forget("exchange", self.name, exchange.name)

    # ------------------------------------------------------------------ queues

    def add_queue(
        self,
        name: str,
        *,
        durable: bool,
        auto_delete: bool,
        owner: object | None,
        arguments: Mapping[str, FieldValue],
        lanes: Iterable[LaneRecord] | None = None,
    ) -> Queue:
        """Make a queue, or bring one back with the lanes of the store. Raises PreconditionFailed, StoreError."""
        described = f"queue '{name}' in vhost '{self.name}'"
        settings = self.policies.settings(name, arguments, described, lenient=lanes is not None)
        # An exclusive queue goes with its connection: nothing of it is ever needed after a restart.
        survives_restart = durable and owner is None
        queue = Queue(
            name,
            self.name,
            self.scheduler,
            self,
            self.remove_queue,
            durable=durable,
            survives_restart=survives_restart,
            auto_delete=auto_delete,
            owner=owner,
            arguments=arguments,
            settings=settings,
            lanes=lanes,
        )
        self.queues[name] = queue
        self.version += 1
        self.policies.watch_idle(queue)
        if lanes is None:
            self.keep_queue(queue)
            for tell in list(self.on_queue.values()):
                tell(queue)
        return queue

    def keep_queue(self, queue: Queue) -> None:
        """Write what a queue was declared with, and whether it is paused, to the store, if it outlives a restart."""
        if queue.survives_restart:
            value = {"auto_delete": queue.auto_delete, "paused": queue.paused}
            self.store.define(Definition("queue", self.name, queue.name, value, queue.arguments))

    def remove_queue(self, queue: Queue) -> int:
        """Delete a queue; tells how many messages were ready in it."""
        if self.queues.get(queue.name) is not queue:
            return 0
        del self.queues[queue.name]
        self.version += 1
        self._drop_bindings_to(queue)
        self.policies.forget(queue)
        if queue.survives_restart:
            self.store.forget("queue", self.name, queue.name)
        count = queue.delete()
        self._of_deleted.add(queue.counts())
        return count

    def counts(self) -> Counters:
        """What has become of the messages of all its queues, also of those that are gone, since it was brought up."""
        counters = Counters()
        counters.add(self._of_deleted)
        for queue in self.queues.values():
            counters.add(queue.counts())
        return counters

    # ------------------------------------------------------------------ bindings

    def add_binding(
        self,
        source: Exchange,
        destination: Queue | Exchange,
        routing_key: str,
        arguments: Mapping[str, FieldValue],
        *,
        keep: bool = True,
    ) -> None:
        """Bind; a binding that exists stays as it is. Raises PreconditionFailed for arguments that mean nothing."""
        source.check_arguments(arguments)
        source.check_key(routing_key)
        if self.find_binding(source, destination, routing_key, arguments) is not None:
            return
        binding = Binding(source, destination, routing_key, arguments)
        source.bind(binding)
        self._bindings_to.setdefault(destination, {})[_key_of(source, routing_key, arguments)] = binding
        self.version += 1
        if keep and _is_kept(binding):
            self.store.define(Definition("binding", self.name, _binding_name(binding), {}, arguments))

    def find_binding(
        self,
        source: Exchange,
        destination: Queue | Exchange,
        routing_key: str,
        arguments: Mapping[str, FieldValue],
    ) -> Binding | None:
        """The binding with this key and these arguments, if there is one."""
        bindings = self._bindings_to.get(destination)
        return bindings.get(_key_of(source, routing_key, arguments)) if bindings is not None else None

    def remove_binding(self, binding: Binding) -> None:
        """Unbind."""
        self._drop_binding(binding)

    def _drop_bindings_to(self, destination: object) -> None:
        for binding in self._bindings_to.pop(destination, {}).values():
            self._drop_binding(binding)

    def _drop_binding(self, binding: Binding) -> None:
        source = binding.source
        if binding not in source.bindings:
            return
        source.unbind(binding)
        to = self._bindings_to.get(binding.destination)
        if to is not None:
            to.pop(_key_of(source, binding.routing_key, binding.arguments), None)
            if not to:
                del self._bindings_to[binding.destination]
        self.version += 1
        if _is_kept(binding):
            self.store.forget("binding", self.name, _binding_name(binding))
        # An auto-delete exchange goes with the last binding from it, and may take others along.
        if source.auto_delete and not source.bindings:
            self.remove_exchange(source)

    # ------------------------------------------------------------------ the way of a message

    def route(
        self,
        exchange: Exchange,
        routing_keys: list[str],
        headers: Mapping[str, FieldValue],
        properties: Properties | None = None,
    ) -> list[Target]:
        """The queues that a message reaches, each once, over bound and alternate exchanges.

        ``properties`` are only looked at by exchanges that are not ``by_key``.
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
        """Put a routed message into its queues. REFUSED when any of them refused; STORED when any needs the disk."""
        outcome = KEPT
        refused = False
        if len(targets) > 1:
            self.store.share(message)
        for target in targets:
            result = target.publish(message)
            if result == STORED:
                outcome = STORED
            elif result == REFUSED:
                refused = True
        return REFUSED if refused else outcome


def _key_of(source: Exchange, routing_key: str, arguments: Mapping[str, FieldValue]) -> BindingKey:
    """Bindings are identified by key and arguments."""
    return source, routing_key, repr(sorted(arguments.items(), key=itemgetter(0))) if arguments else ""


def _is_kept(binding: Binding) -> bool:
    destination = binding.destination
    survives = destination.survives_restart if isinstance(destination, Queue) else destination.durable
    return binding.source.durable and survives


def _binding_name(binding: Binding) -> str:
    kind = "exchange" if isinstance(binding.destination, Exchange) else "queue"
    # The arguments are part of what makes a binding one of its own.
    arguments = sorted((name, repr(value)) for name, value in binding.arguments.items())
    return json.dumps([binding.source.name, kind, binding.destination.name, binding.routing_key, arguments])
