"""The check of all backends, where neither Django nor django-tasks does it."""

from __future__ import annotations

from django.core.checks import CheckMessage

from batonmq.contrib.django.backend import BatonBackend
from batonmq.contrib.django.compat import task_backends

__all__ = ["check_all"]


def check_all(**_: object) -> list[CheckMessage]:
    """What is wrong with any backend of ours in TASKS."""
    return [found for backend in task_backends.all() if isinstance(backend, BatonBackend) for found in backend.check()]
