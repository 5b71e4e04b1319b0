"""A result backend for Celery in a file: ``result_backend = "batonmq:////var/lib/shop/tasks.db"``.

Celery finds it by that URL. Docs: docs/celery.md.
"""

from __future__ import annotations

try:
    import celery
except ImportError as error:
    raise ImportError("batonmq.contrib.celery needs Celery: pip install 'batonmq[celery]'") from error

del celery
