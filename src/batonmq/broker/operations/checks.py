"""The checks of every client operation: names, permissions, and the owners of exclusive queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from batonmq.errors import AccessRefused, NotFound, ResourceLocked

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.model.access import User
    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.routing.exchanges import Exchange
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.queued import QueuedMessage


# Management requests are published to it. It is not an exchange, and nobody may declare one of that name.
MANAGEMENT = "batonmq.management"


class Deliveries(Protocol):
    """The unsettled deliveries of a connection, by channel and delivery tag."""

    def find_delivery(self, channel: int, tag: int) -> QueuedMessage | None:
        """The delivery, which stays unsettled; None: there is none with this tag."""

    def take_delivery(self, channel: int, tag: int) -> QueuedMessage | None:
        """The delivery, which is about to be settled and makes room for another; None: there is none with this tag."""


class ReadBarrier(Protocol):
    """Suspends a connection while it waits for the store."""

    def wait_for_read(self, again: Callable[[], None]) -> None:
        """Suspend the connection, and call ``again`` once the store has been read further."""


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
        """``deliveries``: for protocols whose clients number their deliveries.

        ``barrier`` suspends the connection while a request is in progress; None: nothing does.
        """
        self.vhost = vhost
        self.user = user
        self.owner = owner
        # The connection's exclusive queues, which are deleted with it.
        self.owned: dict[str, Queue] = {}
        self.deliveries = deliveries
        self.barrier = barrier

    def change_user(self, user: User) -> None:
        """Apply the new rights of the connection's user from now on."""
        self.user = user

    def find_queue(self, name: str) -> Queue:
        """The queue of that name. Raises NotFound, and ResourceLocked if it is exclusive to another connection."""
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
        """Check the right before revealing anything: a user without it must not learn what exists.

        The name is the one that will be looked up. Raises AccessRefused.
        """
        self.user.require(self.vhost.name, operation, kind, clean(name))

    def _require_sight(self, kind: str, name: str) -> None:
        """To check whether something exists, any right to it is enough. Raises AccessRefused."""
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
    """The name without line ends, which RabbitMQ drops too: they would forge lines in logs and listings."""
    return name.replace("\r", "").replace("\n", "") if "\n" in name or "\r" in name else name
