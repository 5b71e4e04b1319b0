"""A worker: the queues of one backend, and the relay of its outbox."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Sequence

from django.db import connections
from django.utils.crypto import get_random_string

import batonmq
from batonmq.api.outbox.libraries import database_of
from batonmq.api.outbox.relaying import RelayThread, relay_thread
from batonmq.contrib.django.backend import BatonBackend
from batonmq.contrib.django.connections import declare
from batonmq.contrib.django.executing import Execution

__all__ = ["TaskWorker"]

log = logging.getLogger("batonmq.django")


class TaskWorker:
    """Runs tasks until it is stopped."""

    def __init__(
        self, backend: BatonBackend, queue_names: Sequence[str], *, concurrency: int, drain: float, lease: float | None
    ) -> None:
        """``queue_names``: Django's names. ``concurrency``: tasks of each queue at a time. Raises ValueError."""
        self._backend = backend
        self._options = backend.settings
        self._relay: RelayThread | None = None
        self.worker_id = f"{socket.gethostname()[:24]}-{os.getpid()}-{get_random_string(8)}"
        """The worker's name in results."""
        self._app = batonmq.Worker(self._options.url, drain=drain)
        self._app.on_start(self._start)
        execution = Execution(backend, self.worker_id)
        self._queues = [backend.route(name).queue for name in queue_names]

        def run(delivery: batonmq.Delivery) -> None:
            execution.run(delivery)

        for queue in self._queues:
            # An error here comes from the database, not from a task: try again for as long as it takes.
            self._app.handler(queue, concurrency=concurrency, lease=lease, backoff_max=30.0)(run)

    def _start(self, mq: batonmq.Connection) -> None:
        for queue in self._queues:
            declare(mq, queue, self._options)
        if self._options.outbox:
            self._relay = relay_thread(mq, database_of(connections[self._backend.database]).opener())

    def run(self, stop: threading.Event | None = None) -> None:
        """Work until SIGTERM, SIGINT or ``stop``. Raises the errors of ``batonmq.Worker.run``."""
        try:
            self._app.run(stop=stop)
        finally:
            if self._relay is not None:
                self._relay.stop()
                self._relay.join()
            connections.close_all()
