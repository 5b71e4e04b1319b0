"""The operations of an embedded engine on the broker's model. Each runs in one turn, under the core's lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker import REFUSED, Operations, Permission, Queue, User
from batonmq.broker.management.target import ManagementTarget
from batonmq.broker.operations.checks import MANAGEMENT
from batonmq.broker.queues.browsing import Browser
from batonmq.engines.messages import Message, delayed_properties, received_message
from batonmq.engines.values import Fate, QueueOptions
from batonmq.errors import BatonError, ResourceError, StoreError
from batonmq.message import Message as QueueMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batonmq.broker import Broker
    from batonmq.broker.routing.exchanges import Target

__all__ = ["Queues"]

VHOST = "/"
TAGS = frozenset({"administrator"})


class Queues:
    """The queues of one broker, for a user who may do everything."""

    def __init__(self, broker: Broker, owner: object) -> None:
        self.broker = broker
        self.vhost = broker.add_vhost(VHOST)
        self.operations = Operations(self.vhost, User("embedded", TAGS, {VHOST: Permission()}), owner)
        self._holds_new = False

    def hold_new(self) -> None:
        """What is sent here reaches consumers when it is committed.

        For a sender that outlives this process: it asks the next owner for what is not kept, and there the message is
        new. So nobody may have seen it.
        """
        self._holds_new = True

    def expect(self, message: QueueMessage, targets: Iterable[Target]) -> None:
        """It is about to be put in there."""
        if self._holds_new:
            for target in targets:
                target.expect(message)

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
        """What becomes of what is given up; None when there is no such queue any more."""
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
        """All of them, or none. Raises NotFound, ResourceError."""
        queue = self.find(name)
        store = queue.store
        if store.error is not None and queue.survives_restart and not store.has_room_again():
            # Together with settlements, which are kept, it would be refused by the disk.
            raise StoreError(store.error.reason)
        if queue.settings.limits_length:
            self._require_room(queue, messages)
        for message in messages:
            published = QueueMessage("", name, delayed_properties(message), message.body)
            if self._holds_new:
                queue.expect(published)
            if queue.publish(published) == REFUSED:
                raise ResourceError(f"queue '{name}' is full")

    def send_all(self, sends: Iterable[tuple[str, Message]]) -> None:
        """To several queues: all, or none. Raises NotFound, ResourceError."""
        by_queue: dict[str, list[Message]] = {}
        for name, message in sends:
            by_queue.setdefault(name, []).append(message)
        for name, messages in by_queue.items():
            self._require_room(self.find(name), messages)
        for name, messages in by_queue.items():
            self.send(name, messages)

    def _require_room(self, queue: Queue, messages: Sequence[Message]) -> None:
        # What waits for its time is taken by a full queue, too, and what receivers wait for does not stay in it.
        ready = [message for message in messages if not message.delay]
        if queue.selection is None and not queue.paused and not queue.ready_count:
            ready = ready[sum(consumer.room() for consumer in queue.ready_consumers) :]
        if ready and not queue.has_room_for(sum(len(message.body) for message in ready), len(ready)):
            raise ResourceError(f"queue '{queue.name}' is full")

    def peek(self, name: str, most: int) -> list[Message]:
        """The first ready messages, which stay where they are. Raises NotFound, StoreError."""
        browser = Browser(self.find(name))
        found: list[Message] = []
        while len(found) < most and not browser.finished:
            found += [
                received_message(browsed.message.body, browsed.message.properties)
                for browsed in browser.read(most - len(found))
            ]
        return found

    def move(self, source: str, target: str | None, most: int) -> int:
        """Ready messages go over, the first first, all in one commit; dead letters begin anew.

        Without a target each goes to where it died, and stays if that is not there. Call it when the store can be read.
        Raises NotFound, StoreError, and ResourceError when a target is full: what has gone over by then stays there.
        """
        sweep = self.operations.replay(source, lambda _: None, to=target, most=most)
        moved = sweep.run()
        if sweep.error is not None:
            raise ResourceError("a queue where they died is full" if target is None else f"queue '{target}' is full")
        return moved

    def manage(self, request: Message) -> None:
        """Carry out a management request; the answer goes to its reply-to. Call it when the store can be read."""
        ManagementTarget(self.operations).publish(QueueMessage("", MANAGEMENT, request.properties, request.body))

    def route(self, name: str, message: Message) -> bool:
        """Publish to whatever has that name, a queue or somebody who waits for a reply; False when nothing has it."""
        targets = self.vhost.router.route(self.vhost.router.default, [name], {})
        published = QueueMessage("", name, message.properties, message.body)
        if self._holds_new and (queue := self.vhost.queues.get(name)) is not None:
            queue.expect(published)
        self.vhost.router.publish(published, targets)
        return bool(targets)
