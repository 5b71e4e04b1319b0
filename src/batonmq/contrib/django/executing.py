"""Runs the task that a message asks for.

A row holds the state of a task. An update names the version that it changes, so only one of two workers succeeds. The
message is accepted when the outcome is written.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from django.db import IntegrityError, close_old_connections
from django.dispatch import Signal
from django.utils import timezone

from batonmq import Delivery
from batonmq.contrib.django.backend import BatonBackend
from batonmq.contrib.django.compat import TaskContext, normalize_json, task_finished, task_started
from batonmq.contrib.django.models import Task as Record
from batonmq.contrib.django.records import result_of, task_of
from batonmq.contrib.django.sending import record_in
from batonmq.json_text import read_json

__all__ = ["Execution", "WorkerDied"]

log = logging.getLogger("batonmq.django")

# A task may come this many seconds before its time, since clocks differ.
EARLY_SECONDS = 0.05


class WorkerDied(Exception):
    """Several workers died while they ran the task, and the next one might too."""


class Execution:
    """Runs the tasks of one backend, for one worker."""

    def __init__(self, backend: BatonBackend, worker_id: str) -> None:
        self._backend = backend
        self._database = backend.database
        self._options = backend.settings
        self._worker_id = worker_id

    def run(self, delivery: Delivery) -> None:
        """Run the task that the message asks for. If this raises, the message comes again."""
        # As at the start and end of a request: drop connections that the server has closed.
        close_old_connections()
        try:
            self._run(delivery)
        finally:
            close_old_connections()

    def _run(self, delivery: Delivery) -> None:
        task_id, carried = self._read(delivery)
        if task_id is None:
            delivery.reject()
            return
        record = self._claim(delivery, task_id, carried)
        if record is None:
            return
        if record.attempts > max(self._options.max_deaths, self._options.attempts):
            self._give_up(record)
            return
        self._call(delivery, record)

    def _read(self, delivery: Delivery) -> tuple[str | None, dict[str, object] | None]:
        try:
            said = read_json(delivery.body)
            return str(said["task"]), said.get("record")
        except (ValueError, KeyError, TypeError):
            log.error("a message in a queue of tasks is none of ours, and is rejected: %r", delivery.message)
            return None, None

    # ------------------------------------------------------------------ whose it is

    def _claim(self, delivery: Delivery, task_id: str, carried: dict[str, object] | None) -> Record | None:
        """The row, now marked as running here; None: there is nothing to do."""
        message_id = delivery.message.id or task_id
        while True:
            record = self._find(task_id, carried)
            if record is None:
                log.info("task %s was purged, and is not run", task_id)
                return None
            if record.status in (Record.Status.FAILED, Record.Status.SUCCESSFUL):
                log.info("task %s has been run, and is not run again", task_id)
                return None
            if record.status == Record.Status.RUNNING and record.message_id != message_id:
                # Redelivery of the same message means that its worker died; a different message is a retry by hand.
                log.info("task %s is running, and is not begun again", task_id)
                return None
            if record.status == Record.Status.READY and record.run_after is not None:
                early = (record.run_after - timezone.now()).total_seconds()
                if early > EARLY_SECONDS:
                    delivery.release(delay=early)
                    return None
            now = timezone.now()
            is_claimed = record.change(
                self._database,
                status=Record.Status.RUNNING,
                started_at=record.started_at or now,
                last_attempted_at=now,
                worker_ids=[*record.worker_ids, self._worker_id],
                message_id=message_id,
            )
            if is_claimed:
                return record

    def _find(self, task_id: str, carried: dict[str, object] | None) -> Record | None:
        rows = Record.objects.using(self._database)
        record: Record | None = rows.filter(pk=task_id).first()
        if record is None and carried is not None:
            # The message was sent before its row was committed, which may never happen.
            record = record_in(task_id, carried)
            try:
                record.save(using=self._database, force_insert=True)
            except IntegrityError:
                record = rows.filter(pk=task_id).first()
        return record

    # ------------------------------------------------------------------ running

    def _call(self, delivery: Delivery, record: Record) -> None:
        began = time.monotonic()
        try:
            task = task_of(record)
            result = result_of(record, task)
        except Exception as error:  # noqa: BLE001  (the application's modules are read, and may raise anything)
            self._fail(delivery, record, None, error)
            return
        self._tell(task_started, record, result)
        try:
            context = (TaskContext(task_result=result),) if task.takes_context else ()
            value = normalize_json(task.call(*context, *record.args, **record.kwargs))
        except BaseException as error:  # noqa: BLE001  (sys.exit in a task ends the task, and not the worker)
            self._fail(delivery, record, task, error)
            return
        changes = {"status": Record.Status.SUCCESSFUL, "finished_at": timezone.now(), "return_value": value}
        if self._finish(record, task, **changes):
            log.info("task %s (%s) succeeded in %.3f s", record.task_path, record.id, time.monotonic() - began)

    def _fail(self, delivery: Delivery, record: Record, task: Any, error: BaseException) -> None:  # noqa: ANN401
        errors = [*record.errors, _said(error)]
        which = f"attempt {record.attempts} of {self._options.attempts}"
        reason = f"{type(error).__name__}: {error}"
        if task is not None and record.attempts < self._options.attempts:
            pause = self._options.pause(record.attempts)
            if record.change(self._database, status=Record.Status.READY, errors=errors):
                log.warning(
                    "task %s (%s) failed at %s, again in %g s: %s", record.task_path, record.id, which, pause, reason
                )
                delivery.release(delay=pause)
            return
        changes = {"status": Record.Status.FAILED, "finished_at": timezone.now(), "errors": errors}
        if self._finish(record, task, **changes):
            log.error("task %s (%s) failed at %s, and is not run again: %s", record.task_path, record.id, which, reason)

    def _give_up(self, record: Record) -> None:
        """Fail the task: each attempt so far has ended with its worker, so the one just noted is not made."""
        workers = record.worker_ids[:-1]
        error = WorkerDied(f"{len(workers)} workers died while they ran it: {', '.join(workers)}")
        changes = {
            "status": Record.Status.FAILED,
            "finished_at": timezone.now(),
            "errors": [*record.errors, _said(error)],
            "worker_ids": workers,
        }
        if self._finish(record, None, **changes):
            log.error("task %s (%s) failed, and is not run again: %s", record.task_path, record.id, error)

    def _finish(self, record: Record, task: Any, **changes: object) -> bool:  # noqa: ANN401
        # The task may have left a broken connection.
        close_old_connections()
        if not record.change(self._database, **changes):
            log.warning("task %s (%s) was purged or tried again while it ran", record.task_path, record.id)
            return False
        if task is not None:
            self._tell(task_finished, record, result_of(record, task))
        return True

    def _tell(self, signal: Signal, record: Record, result: Any) -> None:  # noqa: ANN401
        """Send a signal. A receiver that raises neither stops the task nor undoes what was written."""
        for receiver, outcome in signal.send_robust(type(self._backend), task_result=result):
            if isinstance(outcome, Exception):
                # Django logs the traceback, but not which task it was.
                log.error(
                    "task %s (%s): a receiver of a signal failed, %r: %s",
                    record.task_path,
                    record.id,
                    receiver,
                    outcome,
                )


def _said(error: BaseException) -> dict[str, str]:
    from traceback import format_exception

    kind = type(error)
    return {
        "exception_class_path": f"{kind.__module__}.{kind.__qualname__}",
        "traceback": "".join(format_exception(error)),
    }
