"""manage.py batonmq_worker"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from batonmq.contrib.django.backend import BatonBackend
from batonmq.contrib.django.compat import task_backends
from batonmq.contrib.django.worker import TaskWorker
from batonmq.errors import BatonError

log = logging.getLogger("batonmq.django")


class Command(BaseCommand):
    """Runs a worker."""

    help = (
        "Run the tasks of a BatonBackend, until Ctrl-C or SIGTERM. Told to stop, it begins no more tasks, lets those "
        "that run finish within the drain time, and gives the others back."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The arguments of the command."""
        parser.add_argument("--backend", default="default", help="The backend, as TASKS names it. Default: default")
        parser.add_argument(
            "--queue",
            action="append",
            metavar="NAME",
            help="A queue to work on; may be given several times. Default: all of the backend's QUEUES",
        )
        parser.add_argument(
            "--concurrency", type=int, default=1, metavar="N", help="Tasks of each queue at a time. Default: 1"
        )
        parser.add_argument(
            "--drain", type=float, default=25.0, metavar="SECONDS", help="How long tasks have to finish. Default: 25"
        )
        parser.add_argument(
            "--lease",
            type=float,
            metavar="SECONDS",
            help="Another worker gets a task when this one gives no sign of life for so long. Default: when it is gone",
        )

    def handle(self, *_: Any, **options: Any) -> None:  # noqa: ANN401
        """Run the worker."""
        try:
            self._work(options)
        except KeyboardInterrupt:
            # It came before the worker listens for signals: nothing has begun.
            sys.exit(0)

    def _work(self, options: Mapping[str, Any]) -> None:
        _log_to_stderr(int(options["verbosity"]))
        alias = options["backend"]
        try:
            backend = task_backends[alias]
        except ImproperlyConfigured as error:
            raise CommandError(f"--backend {alias}: {error}") from None
        if not isinstance(backend, BatonBackend):
            raise CommandError(f"--backend {alias}: TASKS[{alias!r}] is no batonmq.contrib.django.BatonBackend")
        names = options["queue"] or sorted(backend.queues)
        if not names:
            raise CommandError(f"TASKS[{alias!r}] takes tasks of any queue: name those to work on with --queue")
        for name in names:
            if backend.queues and name not in backend.queues:
                known = ", ".join(sorted(backend.queues))
                raise CommandError(f"--queue {name}: TASKS[{alias!r}] has the queues {known}")
        try:
            worker = TaskWorker(
                backend,
                list(dict.fromkeys(names)),
                concurrency=options["concurrency"],
                drain=options["drain"],
                lease=options["lease"],
            )
        except (ValueError, TypeError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from None
        log.info("worker %s begins", worker.worker_id)
        try:
            worker.run()
        except BatonError as error:
            raise CommandError(str(error)) from None
        log.info("worker %s has stopped", worker.worker_id)


def _log_to_stderr(verbosity: int) -> None:
    """Set up logging, unless the project's LOGGING has a place for our loggers."""
    logger = logging.getLogger("batonmq")
    if logger.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel({0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG))
