"""The operations of a client on its virtual host: checked against rules and permissions, then done.

Each client connection has one such object, whatever its protocol. The errors are those of ``errors.py``, with the texts
that RabbitMQ's clients know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.declared import check_consumer, read_timeout
from batonmq.broker.model.events import QUEUE_PAUSED, QUEUE_RESUMED
from batonmq.broker.operations.declarations import Declarations
from batonmq.broker.operations.moving import Move, Purge
from batonmq.broker.operations.replaying import Replay
from batonmq.broker.queues.browsing import Browser
from batonmq.broker.queues.queue import Queue
from batonmq.broker.routing.direct_replies import is_volatile
from batonmq.broker.routing.exchanges import Exchange
from batonmq.errors import AccessRefused, NotFound, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.model.consumer import Consumer, Selector
    from batonmq.broker.operations.sweep import Sweep
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.broker.vhosts.policy import Policy
    from batonmq.fields import FieldValue

# Tags of users who may see and change policies.
POLICYMAKERS = frozenset({"policymaker", "administrator"})

NO_HEADERS: dict[str, FieldValue] = {}


class Route:
    """The targets of an exchange and a routing key, valid as long as the version of the virtual host is the same."""

    __slots__ = ("by_key", "counters", "exchange", "queue", "targets", "version")

    def __init__(self, version: int, exchange: Exchange, targets: list[Target], *, by_key: bool) -> None:
        self.version = version
        self.exchange = exchange
        # The counters for publishes by this route.
        self.counters = exchange.counters
        self.targets = targets
        # The only queue, as in most routes.
        single = targets[0] if len(targets) == 1 and by_key else None
        self.queue = single if isinstance(single, Queue) else None
        # False: headers matter, so that each message must be routed separately.
        self.by_key = by_key


class Operations(Declarations):
    """The operations of one client connection. ``owner`` identifies it: exclusive queues belong to it."""

    __slots__ = ()

    # ------------------------------------------------------------------ messages

    def resolve(self, exchange_name: str, routing_key: str | None) -> Route:
        """The route of messages for an exchange and a routing key. Raises NotFound, AccessRefused.

        None: each message names its own key, which is resolved then.
        """
        self._require("write", "exchange", exchange_name)
        exchange = self._exchange(exchange_name)
        if exchange.internal:
            raise AccessRefused(f"cannot publish to internal {self._described('exchange', exchange_name)}")
        if exchange.has_topics and routing_key is not None:
            self.user.require_topics(self.vhost.name, "write", exchange.name, [routing_key])
        # While the store cannot write, each message is checked: only persistent ones are refused.
        by_key = self.vhost.router.goes_by_key(exchange) and self.vhost.store.error is None
        targets = self.vhost.router.route(exchange, [routing_key or ""], NO_HEADERS) if by_key else []
        return Route(self.vhost.router.version, exchange, targets, by_key=by_key)

    def require_topics(self, route: Route, keys: list[str]) -> None:
        """Check further routing keys of a message whose ``route`` was resolved for one. Raises AccessRefused."""
        if route.exchange.has_topics:
            self.user.require_topics(self.vhost.name, "write", route.exchange.name, keys)

    def require_readable(self, name: str) -> Queue:
        """The queue, if this client may take messages from it. Raises NotFound, AccessRefused, ResourceLocked."""
        self._require("read", "queue", name)
        return self.find_queue(name)

    def require_writable(self, name: str) -> Queue:
        """The queue, if this client may put messages into it. Raises NotFound, AccessRefused, ResourceLocked."""
        self._require("write", "queue", name)
        return self.find_queue(name)

    def require_configurable(self, name: str) -> Queue:
        """The queue, if this client may change it. Raises NotFound, AccessRefused, ResourceLocked."""
        self._require("configure", "queue", name)
        return self.find_queue(name)

    def require_answerable(self, reply_to: str) -> None:
        """Check that this client may have an answer sent to that address. Raises AccessRefused.

        A direct reply-to address leads back to the client that gave it out. Any other address is a queue, to which the
        client must have the right to publish.
        """
        if not is_volatile(reply_to):
            self._require("write", "exchange", "")

    def subscribe(self, queue: Queue, consumer: Consumer) -> None:
        """basic.consume.

        Raises AccessRefused when another consumer is exclusive, or this one cannot be, and PreconditionFailed for
        invalid arguments.
        """
        described = self._described("queue", queue.name)
        check_consumer(consumer.arguments, queue.arguments, described)
        consumer.limit_time(read_timeout(consumer.arguments, described))
        alone = not queue.consumers and not queue.settings.single_active
        if (consumer.exclusive and not alone) or queue.consumers.exclusive:
            raise AccessRefused(f"{described} in exclusive use")
        queue.subscribe(consumer)

    # ------------------------------------------------------------------ queues as a whole

    def browse(self, name: str, selector: Selector | None = None) -> Browser:
        """A cursor over the ready messages of a queue; it takes none of them.

        Raises NotFound, AccessRefused, ResourceLocked.
        """
        return Browser(self.require_readable(name), selector)

    def pause_queue(self, name: str, *, paused: bool) -> None:
        """Stop deliveries (publishes are still accepted), or resume them. The state survives a restart.

        Raises NotFound, AccessRefused, ResourceLocked.
        """
        self._require("configure", "queue", name)
        queue = self.find_queue(name)
        if queue.paused != paused:
            queue.pause(paused)
            self.vhost.define_queue(queue)
            kind = QUEUE_PAUSED if paused else QUEUE_RESUMED
            self.vhost.scheduler.events.tell(kind, vhost=self.vhost.name, user=self.user.name, queue=queue.name)

    def move_messages(
        self,
        name: str,
        to: str,
        done: Callable[[Sweep], None],
        *,
        most: int | None = None,
        selector: Selector | None = None,
    ) -> None:
        """Move ready messages to the tail of another queue; ``done`` is called when all of that is durable.

        Raises NotFound, AccessRefused, ResourceLocked, PreconditionFailed.
        """
        queue, target = self.require_readable(name), self.require_writable(to)
        if queue is target:
            raise PreconditionFailed(f"{self._described('queue', name)} cannot be moved to itself")
        Move(queue, target, most, selector, done, user=self.user.name).start()

    def replay_queue(
        self,
        name: str,
        done: Callable[[Sweep], None],
        *,
        to: str | None = None,
        most: int | None = None,
        selector: Selector | None = None,
    ) -> None:
        """Move dead letters back to the queues that they came from, or all to the queue ``to``.

        Raises NotFound, AccessRefused, ResourceLocked, PreconditionFailed.
        """
        self.replay(name, done, to=to, most=most, selector=selector).start()

    def replay(
        self,
        name: str,
        done: Callable[[Sweep], None],
        *,
        to: str | None = None,
        most: int | None = None,
        selector: Selector | None = None,
    ) -> Sweep:
        """The replay that ``replay_queue`` starts, for a host that ``run``s it instead. Raises the same errors."""
        queue = self.require_readable(name)
        target = self.require_writable(to) if to is not None else None
        if queue is target:
            raise PreconditionFailed(f"{self._described('queue', name)} cannot be replayed to itself")
        return Replay(queue, self.require_writable, target, most, selector, done, user=self.user.name)

    def purge_messages(self, name: str, selector: Selector, done: Callable[[Sweep], None]) -> None:
        """Drop the ready messages that match the selector. Raises NotFound, AccessRefused, ResourceLocked."""
        Purge(self.require_readable(name), None, selector, done, user=self.user.name).start()

    # ------------------------------------------------------------------ delayed messages, deduplication keys

    def cancel_delayed(self, name: str, number: int) -> bool:
        """Drop one delayed message; False: ask again once the store was read further.

        Raises NotFound, AccessRefused, ResourceLocked, StoreError.
        """
        return self.require_writable(name).cancel_delayed(number)

    def deliver_delayed(self, name: str, number: int) -> bool:
        """Deliver one delayed message now, or a copy of one that is repeated; False as ``cancel_delayed``.

        Raises NotFound, AccessRefused, ResourceLocked, ResourceError, StoreError.
        """
        return self.require_writable(name).deliver_delayed(number)

    def forget_key(self, name: str, key: bytes) -> None:
        """Forget a deduplication key, so that the queue takes the next message with it.

        Raises NotFound, also for an unknown key, AccessRefused, ResourceLocked.
        """
        queue = self.require_writable(name)
        if queue.keys is None or not queue.keys.forget(key):
            raise NotFound(f"no deduplication key '{key.hex()}' in {self._described('queue', queue.name)}")

    # ------------------------------------------------------------------ policies

    def policies(self) -> list[Policy]:
        """The policies of the virtual host. Raises AccessRefused without the tag policymaker or administrator."""
        self._require_policymaker()
        return self.vhost.policies.all()

    def set_policy(self, policy: Policy) -> None:
        """Add or replace a policy, which takes effect at once. Raises AccessRefused, PreconditionFailed."""
        self._require_policymaker()
        self.vhost.policies.set(policy)

    def clear_policy(self, name: str) -> None:
        """Remove a policy. Raises AccessRefused, NotFound, PreconditionFailed."""
        self._require_policymaker()
        self.vhost.policies.clear(name)

    def _require_policymaker(self) -> None:
        if not self.user.tags & POLICYMAKERS:
            raise AccessRefused(f"user '{self.user.name}' needs the tag policymaker or administrator for policies")
