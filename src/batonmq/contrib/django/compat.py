"""One import for Django's tasks: from Django 6.0, or from the package django-tasks before that."""

from __future__ import annotations

import django

__all__ = [
    "IS_BUILT_IN",
    "BaseTaskBackend",
    "InvalidTask",
    "Status",
    "Task",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "normalize_json",
    "task_backends",
    "task_enqueued",
    "task_finished",
    "task_started",
]

IS_BUILT_IN: bool = django.VERSION >= (6, 0)

if IS_BUILT_IN:
    from django.tasks import task_backends
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus as Status
    from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started
    from django.utils.json import normalize_json
else:
    try:
        from django_tasks import task_backends
    except ImportError as error:
        raise ImportError("before Django 6.0, tasks need django-tasks: pip install 'django-tasks>=0.12'") from error
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus as Status
    from django_tasks.exceptions import InvalidTaskError as InvalidTask, TaskResultDoesNotExist
    from django_tasks.signals import task_enqueued, task_finished, task_started
    from django_tasks.utils import normalize_json
