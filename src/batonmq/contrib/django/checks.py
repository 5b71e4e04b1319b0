"""The check of all backends, where neither Django nor django-tasks runs one."""

from __future__ import annotations

from django.core.checks import CheckMessage

from batonmq.contrib.django.backend import BatonBackend
from batonmq.contrib.django.compat import task_backends

__all__ = ["check_all"]


def check_all(**_: object) -> list[CheckMessage]:
    """The faults in the settings of our backends in TASKS."""
    return [found for backend in task_backends.all() if isinstance(backend, BatonBackend) for found in backend.check()]
