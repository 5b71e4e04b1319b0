"""What every operation of a client is checked against: names, permissions, and whose a queue is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from batonmq.errors import AccessRefused, NotFound, ResourceLocked

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.model.access import User
    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.routing.exchanges import Exchange
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.message import QueuedMessage


# Requests about the broker are published to it; it is no exchange, and nobody may make one of that name.
MANAGEMENT = "batonmq.management"


class Deliveries(Protocol):
    """What a connection holds unsettled, by channel and delivery tag."""

    def find_delivery(self, channel: int, tag: int) -> QueuedMessage | None:
        """It stays unsettled."""

    def take_delivery(self, channel: int, tag: int) -> QueuedMessage | None:
        """It is about to be settled, and makes room for another."""


class ReadBarrier(Protocol):
    """Holds a connection up."""

    def wait_for_read(self, again: Callable[[], None]) -> None:
        """Until the store has been read on."""


class Checks:
    """One client connection's rights in its virtual host. ``owner`` stands for the connection."""

    __slots__ = ("barrier", "deliveries", "owned", "owner", "user", "vhost")

    def __init__(
        self,
        vhost: VirtualHost,
        user: User,
        owner: object,
        *,
        deliveries: Deliveries | None = None,
        barrier: ReadBarrier | None = None,
    ) -> None:
        """``deliveries``: of a protocol whose clients number what they hold. ``barrier`` holds the connection up while
        something that it asked for goes on; None: nothing does.
        """
        self.vhost = vhost
        self.user = user
        self.owner = owner
        # The connection's exclusive queues, which go with it.
        self.owned: dict[str, Queue] = {}
        self.deliveries = deliveries
        self.barrier = barrier

    def change_user(self, user: User) -> None:
        """From now on this user's rights count: another state of the same one."""
        self.user = user

    def find_queue(self, name: str) -> Queue:
        """The queue of that name, which may be used by this connection. Raises NotFound, ResourceLocked."""
        queue = self.vhost.queues.get(clean(name))
        if queue is None:
            raise NotFound(f"no {self._described('queue', name)}")
        self._not_locked(queue)
        return queue

    def _exchange(self, name: str) -> Exchange:
        exchange = self.vhost.router.exchange(name)
        if exchange is None:
            raise NotFound(f"no {self._described('exchange', name)}")
        return exchange

    def _require(self, operation: str, kind: str, name: str) -> None:
        """The right comes before all else that could be told: whoever lacks it does not learn what there is.

        It is asked for the name that will be looked up. Raises AccessRefused.
        """
        self.user.require(self.vhost.name, operation, kind, clean(name))

    def _require_sight(self, kind: str, name: str) -> None:
        """To see whether something is there, any right to it will do. Raises AccessRefused."""
        name = clean(name)
        if not any(self.user.may(self.vhost.name, operation, name) for operation in ("write", "read")):
            self._require("configure", kind, name)

    def _described(self, kind: str, name: str) -> str:
        return f"{kind} '{name}' in vhost '{self.vhost.name}'"

    def _not_locked(self, queue: Queue) -> None:
        if queue.owner is not None and queue.owner is not self.owner:
            raise locked(queue, self.vhost.name)

    @staticmethod
    def _not_default(name: str) -> None:
        if name == "":
            raise AccessRefused("operation not permitted on the default exchange")


def locked(queue: Queue, vhost: str) -> ResourceLocked:
    return ResourceLocked(
        f"cannot obtain exclusive access to locked queue '{queue.name}' in vhost '{vhost}'. It could be originally"
        " declared on another connection or the exclusive property value does not match that of the original"
        " declaration."
    )


def clean(name: str) -> str:
    """Line ends in names are dropped, as RabbitMQ does: they make log lines and listings lie."""
    return name.replace("\r", "").replace("\n", "") if "\n" in name or "\r" in name else name
