"""Converts a row to Django's TaskResult, and back."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string

from batonmq.contrib.django.compat import Status, Task, TaskError, TaskResult
from batonmq.contrib.django.models import Task as Record

__all__ = ["new_record", "result_of", "task_of"]


def new_record(result: Any) -> Record:  # noqa: ANN401
    """The row for a task that is being enqueued."""
    task = result.task
    return Record(
        id=result.id,
        backend=result.backend,
        queue_name=task.queue_name,
        task_path=task.module_path,
        priority=task.priority,
        args=result.args,
        kwargs=result.kwargs,
        run_after=task.run_after,
        enqueued_at=result.enqueued_at,
    )


def task_of(record: Record) -> Any:  # noqa: ANN401
    """The task, as it was enqueued.

    Raises ImportError when its function is gone, and the backend's errors for a task that it refuses.
    """
    found = import_string(record.task_path)
    if not isinstance(found, Task):
        raise ImportError(  # noqa: TRY004  (it is what its path leads to)
            f"{record.task_path} is no task any more: it is a {type(found).__name__}"
        )
    return found.using(
        priority=record.priority,
        queue_name=record.queue_name,
        run_after=record.run_after,
        backend=record.backend,
    )


def result_of(record: Record, task: Any = None) -> Any:  # noqa: ANN401
    """The result in a row. ``task``: the task, if it is known. Raises what ``task_of`` does."""
    result = TaskResult(
        task=task if task is not None else task_of(record),
        id=record.id,
        status=Status[record.status],
        enqueued_at=record.enqueued_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        last_attempted_at=record.last_attempted_at,
        args=record.args,
        kwargs=record.kwargs,
        backend=record.backend,
        errors=[TaskError(**error) for error in record.errors],
        worker_ids=list(record.worker_ids),
    )
    # TaskResult is frozen for its users; backends set fields this way.
    object.__setattr__(result, "_return_value", record.return_value)
    return result
