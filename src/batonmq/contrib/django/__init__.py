"""Django's tasks (django.tasks, and django-tasks before Django 6.0) in queues of BatonMQ.

INSTALLED_APPS = [..., "batonmq.contrib.django"]
TASKS = {"default": {"BACKEND": "batonmq.contrib.django.BatonBackend", "OPTIONS": {"url": BASE_DIR / "tasks.db"}}}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    import django as _django
except ImportError as error:
    raise ImportError("batonmq.contrib.django needs Django: pip install 'batonmq[django]'") from error

if TYPE_CHECKING:
    from batonmq.contrib.django.backend import BatonBackend

__all__ = ["BatonBackend"]

del _django


def __getattr__(name: str) -> object:
    # Read when Django asks for it: its models cannot be read before its applications are.
    if name != "BatonBackend":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from batonmq.contrib.django.backend import BatonBackend

    return BatonBackend
