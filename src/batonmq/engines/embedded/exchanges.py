"""Exchanges and bindings of the broker in this process. Everything runs in a turn, under the core's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from batonmq.broker import REFUSED, Operations
from batonmq.engines.exchanges import (
    Bind,
    Change,
    DeclareExchange,
    DeclareQueue,
    DeleteExchange,
    DeleteQueue,
    Exchanges,
    LookUpExchange,
    LookUpQueue,
    Standing,
    Unbind,
    unpacked,
)
from batonmq.engines.futures import Future
from batonmq.errors import ResourceError

if TYPE_CHECKING:
    from batonmq.broker import Queue
    from batonmq.engines.embedded.core import Core
    from batonmq.engines.embedded.operations import Queues
    from batonmq.engines.messages import Message

__all__ = ["EmbeddedExchanges"]

T = TypeVar("T")


class Promise(Protocol):
    """Makes a future for a change just made: resolved when it is written."""

    def __call__(self, outcome: T, /, *, sync: bool = True) -> Future[T]:
        """``sync``: when it is on the disk."""


class EmbeddedExchanges(Exchanges):
    """Routes through the broker's exchanges."""

    __slots__ = ("_core", "_promise", "_queues")

    def __init__(self, core: Core, queues: Queues, promise: Promise) -> None:
        self._core = core
        self._queues = queues
        self._promise = promise

    def change(self, change: Change, *, flushed: bool) -> Future[Standing]:
        def do() -> Future[Standing]:
            standing = DO[type(change)](self._queues.operations, change)
            return self._promise(standing, sync=flushed)

        return self._core.run(do)

    def publish(self, exchange: str, key: str, message: Message, *, flushed: bool) -> Future[int]:
        def do() -> Future[int]:
            return self._promise(self._publish(exchange, key, message), sync=flushed)

        return self._core.run(do)

    def _publish(self, exchange: str, key: str, message: Message) -> int:
        route = self._queues.operations.resolve(exchange, key)
        published = self._queues.published(exchange, key, message)
        properties = published.properties
        router = self._queues.vhost.router
        targets = route.targets
        if not route.by_key:
            targets = router.route(route.exchange, [key], properties.headers or {}, properties)
        self._queues.require_disk(published, targets)
        self._queues.expect(published, targets)
        if router.publish(published, targets) == REFUSED:
            full = f"a queue that exchange '{exchange}' leads to by '{key}'" if exchange else f"queue '{key}'"
            raise ResourceError(f"{full} is full: send again when there is room")
        return len(targets)


def _standing(queue: Queue) -> Standing:
    return Standing(queue.ready_count, len(queue.consumers))


def _declare_exchange(operations: Operations, change: DeclareExchange) -> Standing:
    operations.declare_exchange(
        change.name,
        change.kind,
        durable=True,
        auto_delete=change.auto_delete,
        arguments=unpacked(change.arguments),
    )
    return Standing()


def _look_up_exchange(operations: Operations, change: LookUpExchange) -> Standing:
    operations.find_exchange(change.name)
    return Standing()


def _delete_exchange(operations: Operations, change: DeleteExchange) -> Standing:
    operations.delete_exchange(change.name, if_unused=change.if_unused)
    return Standing()


def _declare_queue(operations: Operations, change: DeclareQueue) -> Standing:
    return _standing(operations.declare_queue(change.name, durable=True, arguments=unpacked(change.arguments)))


def _look_up_queue(operations: Operations, change: LookUpQueue) -> Standing:
    return _standing(operations.look_up_queue(change.name))


def _delete_queue(operations: Operations, change: DeleteQueue) -> Standing:
    return Standing(operations.delete_queue(change.name, if_unused=change.if_unused, if_empty=change.if_empty))


def _bind(operations: Operations, change: Bind) -> Standing:
    bind = operations.bind_exchange if change.to_exchange else operations.bind_queue
    bind(change.destination, change.source, change.key, unpacked(change.arguments))
    return Standing()


def _unbind(operations: Operations, change: Unbind) -> Standing:
    unbind = operations.unbind_exchange if change.to_exchange else operations.unbind_queue
    unbind(change.destination, change.source, change.key, unpacked(change.arguments))
    return Standing()


DO: dict[type[Change], Callable[[Operations, Any], Standing]] = {
    DeclareExchange: _declare_exchange,
    LookUpExchange: _look_up_exchange,
    DeleteExchange: _delete_exchange,
    DeclareQueue: _declare_queue,
    LookUpQueue: _look_up_queue,
    DeleteQueue: _delete_queue,
    Bind: _bind,
    Unbind: _unbind,
}
