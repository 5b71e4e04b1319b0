"""Django's settings, no more than the example needs."""

from __future__ import annotations

import os
from pathlib import Path

BASE_DIR = Path(os.environ.get("SHOP_DATA", Path(__file__).parent.parent))

SECRET_KEY = "only for the example"  # noqa: S105
INSTALLED_APPS = ["orders"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "shop.db"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

# Tasks wait in a file, and their results beside it.
CELERY_BROKER_URL = f"batonmq:///{BASE_DIR / 'tasks.db'}"
CELERY_RESULT_BACKEND = "batonmq://"

# A task whose worker is killed comes again.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
