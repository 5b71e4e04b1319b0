"""The operations of an embedded engine on the broker's model. Each runs in one turn, under the core's lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker import REFUSED, Queue
from batonmq.broker.features.length_limit import first_full
from batonmq.broker.features.publish_headers import asks, check_headers
from batonmq.broker.management.target import ManagementTarget
from batonmq.broker.model.progress import NOTE_MAX, Progress
from batonmq.broker.model.settings import REJECT_PUBLISH_DLX
from batonmq.broker.operations.checks import MANAGEMENT
from batonmq.broker.queues.browsing import Browser
from batonmq.broker.routing.router import needs_disk
from batonmq.engines.embedded.unnamed import VHOST, Unnamed
from batonmq.engines.messages import Message, delayed_properties, received_message
from batonmq.engines.values import Fate, QueueOptions
from batonmq.errors import BatonError, MessageTooLarge, ResourceError, StoreError
from batonmq.message import BODY_MAX, Message as QueueMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batonmq.broker import Broker, Operations
    from batonmq.broker.routing.exchanges import Target
    from batonmq.queued import QueuedMessage

__all__ = ["Queues"]

# Not the constant itself: a test replaces it.
BODY_MOST = BODY_MAX


class Queues:
    """The queues of one broker, for a user who may do everything."""

    def __init__(self, broker: Broker, owner: object) -> None:
        self.broker = broker
        self.vhost = broker.add_vhost(VHOST)
        self.operations: Operations = Unnamed(self.vhost, owner)
        self._holds_new = False

    def hold_new(self) -> None:
        """Deliver messages sent here only after their commit.

        This is for a sender that outlives this process: it sends uncommitted messages again to the next owner, as new
        ones, so nobody may have seen them.
        """
        self._holds_new = True

    def expect(self, message: QueueMessage, targets: Iterable[Target]) -> None:
        """A message is about to be enqueued."""
        if self._holds_new:
            for target in targets:
                target.expect(message)

    def note_progress(self, queued: QueuedMessage, fraction: float, note: str) -> None:
        """Note the progress that its holder reports."""
        now = round(self.vhost.scheduler.clock.time() * 1000)
        self.vhost.progress.note(queued, Progress(fraction, note[:NOTE_MAX], now))

    def find(self, name: str) -> Queue:
        """Raises NotFound."""
        return self.vhost.queues.get(name) or self.operations.find_queue(name)

    def declare(self, name: str, options: QueueOptions) -> None:
        """queue.declare, and the queue of its dead letters if there is none. Raises PreconditionFailed."""
        dead = options.dead_letter
        makes_dead = dead is not None and dead not in self.vhost.queues
        if dead is not None and makes_dead:
            self.operations.declare_queue(dead, durable=options.durable)
        try:
            self.operations.declare_queue(name, durable=options.durable, arguments=options.arguments())
        except BatonError:
            if dead is not None and makes_dead:
                self.operations.delete_queue(dead)
            raise

    def fate(self, name: str) -> Fate | None:
        """The dead letter rules; None: the queue is gone."""
        queue = self.vhost.queues.get(name)
        if queue is None:
            return None
        settings = queue.settings
        most = None if settings.delivery_limit is None else settings.delivery_limit + 1
        exchange, key = settings.dead_letter_exchange, settings.dead_letter_routing_key
        if exchange:
            return Fate(f"exchange '{exchange}'", most)
        return Fate(None if exchange is None else key or name, most)

    def send(self, name: str, messages: Sequence[Message]) -> None:
        """Publish all messages, or none. Raises NotFound, ResourceError, PreconditionFailed, StoreError.

        A queue that dead-letters what it refuses takes those for which it has room.
        """
        queue = self.find(name)
        published = [self.published("", name, message) for message in messages]
        for one in published:
            self.require_disk(one, [queue])
        if (
            len(published) > 1
            and queue.settings.overflow != REJECT_PUBLISH_DLX
            and not queue.has_room_for_all(published, takers_are_sure=True)
        ):
            raise _full(name)
        self._put(queue, published)

    def send_all(self, sends: Iterable[tuple[str, Message]]) -> None:
        """Publish to several queues: all messages, or none. Raises NotFound, ResourceError, StoreError."""
        by_queue: dict[Queue, list[QueueMessage]] = {}
        for name, message in sends:
            by_queue.setdefault(self.find(name), []).append(self.published("", name, message))
        routed = [([queue], one) for queue, batch in by_queue.items() for one in batch]
        for targets, published in routed:
            self.require_disk(published, targets)
        full = first_full(routed)
        if full is not None:
            raise _full(full.name)
        for queue, batch in by_queue.items():
            self._put(queue, batch)

    def require_disk(self, message: QueueMessage, targets: Iterable[Target]) -> None:
        """Raises StoreError when the store cannot keep the message."""
        store = self.vhost.store
        if store.error is not None and needs_disk(message, targets) and not store.has_room_again():
            # In one batch with settlements, which have to be kept, the disk would refuse it.
            raise StoreError(store.error.reason)

    def _put(self, queue: Queue, messages: Iterable[QueueMessage]) -> None:
        is_full = False
        for message in messages:
            self.expect(message, [queue])
            if queue.publish(message) == REFUSED:
                is_full = True
        if is_full:
            raise _full(queue.name)

    def published(self, exchange: str, key: str, message: Message) -> QueueMessage:
        """The message as it is published. Raises PreconditionFailed for invalid headers, and MessageTooLarge."""
        _require_size(message)
        properties = delayed_properties(message)
        if asks(properties):
            check_headers(properties.headers or {}, self.vhost.scheduler.now())
        return QueueMessage(exchange, key, properties, message.body)

    def peek(self, name: str, most: int) -> list[Message]:
        """The first ready messages; they stay in the queue. Raises NotFound, StoreError."""
        browser = Browser(self.find(name))
        found: list[Message] = []
        while len(found) < most and not browser.finished:
            found += [
                received_message(browsed.message.body, browsed.message.properties)
                for browsed in browser.read(most - len(found))
            ]
        return found

    def move(self, source: str, target: str | None, most: int) -> int:
        """Move ready messages in order, all in one commit; dead letters start over.

        Without a target each goes to where it died, and stays if that queue is gone. Call it when the store can be
        read. Raises NotFound, StoreError, and ResourceError when a target is full: messages moved by then stay moved.
        """
        sweep = self.operations.replay(source, lambda _: None, to=target, most=most)
        moved = sweep.run()
        if sweep.error is not None:
            raise ResourceError("a queue where they died is full") if target is None else _full(target)
        return moved

    def manage(self, request: Message) -> None:
        """Carry out a management request; the answer goes to its reply-to. Call it when the store can be read."""
        ManagementTarget(self.operations).publish(QueueMessage("", MANAGEMENT, request.properties, request.body))

    def route(self, name: str, message: Message) -> bool:
        """Publish to a queue, or to a waiting requester, of that name; False: there is none."""
        _require_size(message)
        targets = self.vhost.router.route(self.vhost.router.default, [name], {})
        published = QueueMessage("", name, message.properties, message.body)
        if self._holds_new and (queue := self.vhost.queues.get(name)) is not None:
            queue.expect(published)
        self.vhost.router.publish(published, targets)
        return bool(targets)


def _full(name: str) -> ResourceError:
    return ResourceError(f"queue '{name}' is full")


def _require_size(message: Message) -> None:
    if len(message.body) > BODY_MOST:
        raise MessageTooLarge(f"a body of {len(message.body)} bytes; a file takes {BODY_MOST} of a message at most")
