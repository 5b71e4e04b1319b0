"""Deleting a virtual host with all that is in it, one slice per commit, while everybody else is served.

The virtual host is marked in the store first, so that a broker that is killed meanwhile goes on after its next start.
From the first moment on it is not listed, and nobody can enter it; its name is free when all is gone.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batonmq.broker.model.clients import Clients
    from batonmq.broker.vhosts.parameters import Parameters
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.errors import StoreError

log = logging.getLogger("batonmq.broker")

# How long a slice may take, in seconds. The store takes about half as long again to write it.
SLICE_SECONDS: Final = 0.002
# This many messages are forgotten in a few tenths of a millisecond.
RUN: Final = 1_000
# How long to wait after a failed write, in seconds.
RETRY_SECONDS: Final = 1.0


class Deletion:
    """The deletion of one virtual host. ``start`` it once; it continues by itself."""

    def __init__(
        self,
        vhost: VirtualHost,
        clients: Clients,
        parameters: Parameters,
        last_words: Callable[[str, Callable[[], None]], None],
    ) -> None:
        """``last_words`` is called with the name once the virtual host is empty.

        It calls back when the name may be released, as nothing else is kept under it.
        """
        self.vhost = vhost
        self._clients = clients
        self._parameters = parameters
        self._last_words = last_words
        self._scheduler = vhost.scheduler
        self._work = self._actions()
        self._when_done: list[Callable[[], object]] = []
        self._batch = 0
        self._next: Callable[[], None] = self._step
        self.is_done = False
        """Is the deletion complete, on the disk too?"""

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call back when the deletion is complete, on the disk too; at once if it is."""
        if self.is_done:
            callback()
        else:
            self._when_done.append(callback)

    def start(self) -> None:
        """Begin: the first slice is done when the store has the mark."""
        self._wait(self._step)

    def finish_now(self) -> None:
        """Do the rest at once, except the commit: for a start, when nobody is served yet."""
        for action in self._work:
            self._scheduler.faults.attempt(action)
        self.vhost.forget()

    # ------------------------------------------------------------------ slices

    def _step(self) -> None:
        scheduler = self._scheduler
        if scheduler.store.error is not None or not scheduler.is_serving:
            # Unwritten deletions would only pile up; and if another process serves the file, this is its task.
            scheduler.timetable.after(RETRY_SECONDS, self._step)
            return
        until = scheduler.clock.monotonic() + SLICE_SECONDS
        for action in self._work:
            scheduler.faults.attempt(action)
            if scheduler.clock.monotonic() >= until:
                self._wait(self._step)
                return
        self._last_words(self.vhost.name, self._forget)

    def _forget(self) -> None:
        self.vhost.forget()
        self._wait(self._end)

    def _end(self) -> None:
        self.is_done = True
        log.info("virtual host %r is deleted", self.vhost.name)
        for callback in self._when_done:
            self._scheduler.faults.attempt(callback)
        self._when_done.clear()

    def _actions(self) -> Iterator[Callable[[], object]]:
        """All steps; each takes a few microseconds."""
        vhost, router = self.vhost, self.vhost.router
        reason = f"vhost '{vhost.name}' is deleted"
        for client in self._clients.of_vhost(vhost.name):
            yield partial(client.close, reason)
        while vhost.leaving:
            yield vhost.leaving.end_next
        while vhost.queues:
            queue = next(iter(vhost.queues.values()))
            for binding in router.bindings_to(queue):
                yield partial(router.unbind, binding)
            for lane in queue.lanes:
                # As many as there are now; what is read on meanwhile is less than a thousand.
                for _ in range(0, len(lane.ready), RUN):
                    yield partial(lane.let_go, RUN)
            yield partial(vhost.remove_queue, queue)
        for exchange in list(router.exchanges.values()):
            for binding in list(exchange.bindings):
                yield partial(router.unbind, binding)
            if not router.is_predeclared(exchange):
                yield partial(router.remove_exchange, exchange)
        yield vhost.policies.forget_all
        yield partial(self._parameters.forget_vhost, vhost.name)
        yield partial(self._clients.forget, vhost.name)

    # ------------------------------------------------------------------ commits

    def _wait(self, then: Callable[[], None]) -> None:
        """Continue once the slice is on the disk, so that no turn has too much to write."""
        self._next = then
        self._batch = self._scheduler.store.batch
        self._scheduler.commits.wait(self)
        self._scheduler.wake()

    def batch_committed(self, batch: int) -> None:
        """The batch is committed."""
        if batch < self._batch:
            self._scheduler.commits.wait(self)
        else:
            self._scheduler.call(self._next)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The store could not write; the deletions are written with the next batch."""
        self._scheduler.commits.wait(self)
        self._batch = self._scheduler.store.batch
