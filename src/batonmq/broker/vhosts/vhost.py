"""A virtual host: its queues, its router, its policies and limits, and the consumers that wait for direct replies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.model.counters import Counters
from batonmq.broker.model.declared import are_equivalent
from batonmq.broker.model.events import QUEUE_DECLARED, QUEUE_DELETED
from batonmq.broker.model.limits import MAX_QUEUES, OF_VHOSTS, limit_of, read_limit
from batonmq.broker.model.progress import ProgressNotes
from batonmq.broker.queues.queue import Queue
from batonmq.broker.routing.direct_replies import ReplyDesk
from batonmq.broker.routing.router import Router
from batonmq.broker.vhosts.leaving import Leaving
from batonmq.broker.vhosts.metadata import Metadata, restored
from batonmq.broker.vhosts.policies import Policies
from batonmq.errors import NotFound, PreconditionFailed
from batonmq.store.records import Definition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from batonmq.broker.model.scheduler import Scheduler
    from batonmq.broker.routing.exchanges import Exchange, ExchangeOptions, Target
    from batonmq.broker.vhosts.directory import Directory
    from batonmq.fields import FieldValue
    from batonmq.store.records import LaneRecord

# The store's key for a virtual host's own record, whose name is empty.
KIND: Final = "vhost"


class VirtualHost:
    """A namespace with its own queues and exchanges, created by ``Broker.add_vhost``.

    Changes are not checked here: ``Operations`` does that for clients.
    """

    def __init__(self, scheduler: Scheduler, name: str, directory: Directory) -> None:
        self.scheduler = scheduler
        self.store = scheduler.store
        self.name = name
        self.directory = directory
        self.queues: dict[str, Queue] = {}
        self._of_deleted = Counters()
        self.leaving = Leaving(scheduler, self._end)
        """Queues being deleted bit by bit."""
        self.router = Router(name, scheduler.store, self._find_target)
        self.replies = ReplyDesk(self.router.changed)
        self.policies = Policies(name, scheduler, self.router, self.queues)
        self.progress = ProgressNotes()
        """The progress that consumers have reported."""
        self.metadata = Metadata()
        """Its metadata."""
        self.limits: dict[str, int] = {}
        """Its limits by name (``limits.OF_VHOSTS``); a negative value means no limit."""
        self.is_fixed = False
        """Is it built in or from the configuration file, so that it cannot be deleted?"""
        self.is_retired = False
        """Is it being deleted? Nothing can be declared in it then."""
        self._queue_watchers: dict[object, Callable[[Queue], None]] = {}

    def _find_target(self, name: str) -> Target | None:
        return self.queues.get(name) or self.replies.find(name)

    # ------------------------------------------------------------------ the virtual host itself

    def describe(self, metadata: Metadata) -> None:
        """Set its metadata. Raises NotFound if it is deleted."""
        self._require_open()
        self.metadata = metadata
        self._define()

    def set_limit(self, name: str, value: object) -> None:
        """Set a limit, from now on: existing objects stay.

        Raises PreconditionFailed, and NotFound when it is deleted.
        """
        self._require_open()
        self.limits[name] = read_limit(name, value, OF_VHOSTS)
        self._define()

    def clear_limit(self, name: str) -> None:
        """Remove a limit, if there is one. Raises NotFound when the virtual host is deleted."""
        self._require_open()
        if self.limits.pop(name, None) is not None:
            self._define()

    def fix(self) -> None:
        """Mark it as built in or from the configuration file: it cannot be deleted."""
        self.is_fixed = True

    def retire(self) -> None:
        """Mark it as being deleted: nothing can be declared in it any more."""
        self.is_retired = True
        self._define()

    def _define(self) -> None:
        """Write its record to the store."""
        value = {**self.metadata.stored(), "limits": dict(self.limits), "retired": self.is_retired}
        self.store.define(Definition(KIND, self.name, "", value))

    def restore(self, definition: Definition) -> None:
        """Read its record from the store. Raises KeyError, TypeError."""
        value = definition.value
        self.metadata = restored(value)
        limits = value["limits"]
        if not isinstance(limits, dict):
            raise TypeError("its limits are no table")
        self.limits = {str(name): int(limit) for name, limit in limits.items()}
        self.is_retired = bool(value["retired"])

    def forget(self) -> None:
        """Delete its record: everything in it is gone."""
        self.store.forget(KIND, self.name, "")

    def _require_open(self) -> None:
        if self.is_retired:
            raise NotFound(f"vhost '{self.name}' is deleted")

    # ------------------------------------------------------------------ what is in it

    def add_exchange(self, kind: str, options: ExchangeOptions, *, keep: bool = True) -> Exchange:
        """Create an exchange of one of EXCHANGE_TYPES; ``keep`` writes a durable one to the store.

        Raises PreconditionFailed for arguments that are invalid for its type.
        """
        self._require_open()
        exchange = self.router.add_exchange(kind, options, keep=keep)
        self.policies.apply_to_exchange(exchange)
        return exchange

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
        """Create a queue, or restore one with the store's lanes. ``owner``: the connection of an exclusive queue.

        Raises PreconditionFailed, StoreError.
        """
        if lanes is None:
            self._require_open()
            limit = limit_of(self.limits, MAX_QUEUES)
            if limit is not None and len(self.queues) >= limit:
                raise PreconditionFailed(
                    f"cannot declare queue '{name}': queue limit in vhost '{self.name}' ({limit}) is reached"
                )
        described = f"queue '{name}' in vhost '{self.name}'"
        settings = self.policies.settings(name, arguments, described, lenient=lanes is not None)
        queue = Queue(
            name,
            self.name,
            self.scheduler,
            self.router,
            self.remove_queue,
            durable=durable,
            # An exclusive queue is deleted with its connection: nothing of it is needed after a restart.
            survives_restart=durable and owner is None,
            auto_delete=auto_delete,
            owner=owner,
            arguments=arguments,
            settings=settings,
            lanes=lanes,
        )
        self.leaving.end(name)
        self.queues[name] = queue
        self.router.changed()
        self.policies.watch_idle(queue)
        if lanes is None:
            self.directory.clients.churn.queue_created()
            self.define_queue(queue)
            self.scheduler.events.tell(
                QUEUE_DECLARED, vhost=self.name, queue=name, durable=durable, exclusive=queue.exclusive
            )
            for tell in list(self._queue_watchers.values()):
                tell(queue)
        return queue

    def watch_queues(self, watcher: object, tell: Callable[[Queue], None]) -> None:
        """Call ``tell`` with each new queue, until ``watcher`` stops watching."""
        self._queue_watchers[watcher] = tell

    def stop_watching(self, watcher: object) -> None:
        """Stop watching."""
        self._queue_watchers.pop(watcher, None)

    def define_queue(self, queue: Queue) -> None:
        """Write a durable queue's definition, and whether it is paused, to the store."""
        if queue.survives_restart:
            value: dict[str, object] = {"auto_delete": queue.auto_delete, "paused": queue.paused}
            if queue.changed_arguments:
                value["declared"] = dict(queue.changed_arguments)
            self.store.define(Definition("queue", self.name, queue.name, value, queue.arguments))

    def change_queue(self, queue: Queue, arguments: Mapping[str, FieldValue]) -> None:
        """Change a queue's arguments, at once and permanently.

        Raises PreconditionFailed, and then nothing is changed.
        """
        # Errors are found before anything is changed.
        self.policies.settings(queue.name, arguments, f"queue '{queue.name}' in vhost '{self.name}'", lenient=True)
        before = {**queue.arguments, **queue.changed_arguments}
        names = {*queue.arguments, *arguments, *queue.changed_arguments}
        declared = {
            name: before.get(name)
            for name in sorted(names)
            if not are_equivalent(before.get(name), arguments.get(name))
        }
        queue.change_arguments(arguments, declared)
        self.define_queue(queue)
        self.policies.apply_to_queue(queue)

    def remove_queue(self, queue: Queue) -> int:
        """Delete a queue; returns how many messages were ready in it."""
        if self.queues.get(queue.name) is not queue:
            return 0
        del self.queues[queue.name]
        self.router.changed()
        return self._end(queue)

    def let_go(self, queues: Iterable[Queue]) -> None:
        """Delete queues without waiting for their end. Their names are free at once."""
        gone = [queue for queue in queues if self.queues.get(queue.name) is queue]
        for queue in gone:
            del self.queues[queue.name]
        if gone:
            self.router.changed()
            self.leaving.add(gone)

    @property
    def of_deleted(self) -> Counters:
        """The counts of its deleted queues."""
        counters = Counters()
        counters.add(self._of_deleted)
        for queue in self.leaving:
            counters.add(queue.counts())
        return counters

    def _end(self, queue: Queue) -> int:
        self.router.unbind_all(queue)
        self.policies.forget(queue)
        if queue.survives_restart:
            self.store.forget("queue", self.name, queue.name)
        self.directory.clients.churn.queue_deleted()
        count = queue.delete()
        self._of_deleted.add(queue.counts())
        self.scheduler.events.tell(QUEUE_DELETED, vhost=self.name, queue=queue.name, ready=count)
        return count
