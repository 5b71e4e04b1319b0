"""The backend: it enqueues tasks, and looks up their results."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from asgiref.sync import sync_to_async
from django.core.checks import CheckMessage
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import get_random_string

from batonmq.contrib.django.compat import (
    BaseTaskBackend,
    Status,
    TaskResult,
    TaskResultDoesNotExist,
    task_enqueued,
)
from batonmq.contrib.django.options import BackendOptions, Route, database_of, problem_of_queues, problems

__all__ = ["BatonBackend"]


class BatonBackend(BaseTaskBackend):
    """Tasks in queues of BatonMQ, and their results in the application's database."""

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias=alias, params=params)
        # Django makes a set of them.
        self._queues = params.get("QUEUES")
        self._on_commit = bool(params.get("ENQUEUE_ON_COMMIT", True))

    @functools.cached_property
    def settings(self) -> BackendOptions:
        """The settings in OPTIONS. Raises ImproperlyConfigured."""
        return BackendOptions.read(self.alias, self.options)

    @property
    def database(self) -> str:
        """The database of tasks and outbox, as DATABASES names it."""
        return database_of(self.settings)

    def route(self, queue_name: str) -> Route:
        """The queue of BatonMQ for one of Django's queues."""
        return Route(self.settings, self.database, f"{self.settings.prefix}{queue_name}")

    def check(self, **_: Any) -> Iterable[CheckMessage]:  # noqa: ANN401
        """The faults in the settings, for ``manage.py check``."""
        return [*problem_of_queues(self.alias, self._queues), *problems(self.alias, self.options)]

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401
        """Enqueue a task with the transaction that is open, or at once; return its TaskResult.

        Raises InvalidTask, TypeError for arguments that JSON cannot hold, ImproperlyConfigured, and the database's
        errors.
        """
        from batonmq.contrib.django.records import new_record
        from batonmq.contrib.django.sending import hand_over

        self.validate_task(task)
        result = TaskResult(
            task=task,
            id=get_random_string(32),
            status=Status.READY,
            enqueued_at=timezone.now(),
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=args,
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        record = new_record(result)
        with transaction.atomic(using=self.database):
            record.save(using=self.database, force_insert=True)
            hand_over(self.route(record.queue_name), record, on_commit=self._on_commit)
            told = functools.partial(task_enqueued.send, type(self), task_result=result)
            transaction.on_commit(told, using=self.database)
        return result

    async def aenqueue(self, task: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401
        """Enqueue a task like ``enqueue``, from an ``async def``."""
        return await sync_to_async(self.enqueue, thread_sensitive=True)(task=task, args=args, kwargs=kwargs)

    def get_result(self, result_id: str) -> Any:  # noqa: ANN401
        """The TaskResult of that id. Raises TaskResultDoesNotExist, and ImportError when the function is gone."""
        from batonmq.contrib.django.models import Task
        from batonmq.contrib.django.records import result_of

        try:
            return result_of(Task.objects.using(self.database).get(pk=result_id))
        except Task.DoesNotExist:
            raise TaskResultDoesNotExist(result_id) from None

    async def aget_result(self, result_id: str) -> Any:  # noqa: ANN401
        """The TaskResult of that id, from an ``async def``. Raises what ``get_result`` does."""
        return await sync_to_async(self.get_result, thread_sensitive=True)(result_id=result_id)
