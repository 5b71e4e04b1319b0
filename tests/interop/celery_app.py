"""The Celery application of test_celery.py. Its worker finds the broker in the environment."""

# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery
from kombu.entity import Queue

NAME = os.environ.get("BATONMQ_TEST_CELERY", "t-celery")

app = Celery("tests.interop.celery_app", broker=os.environ.get("BATONMQ_TEST_BROKER"), backend="rpc://")
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_expires=60,
    task_acks_late=True,
    task_default_queue=NAME,
    task_queues=[Queue(NAME, queue_arguments={"x-max-priority": 10})],
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={"confirm_publish": True},
)


@app.task  # type: ignore[untyped-decorator]
def add(a: int, b: int) -> int:
    return a + b


@app.task  # type: ignore[untyped-decorator]
def fail() -> None:
    raise ValueError("on purpose")


@app.task  # type: ignore[untyped-decorator]
def note(path: str, text: str, then_wait: float = 0) -> None:
    """Appends a line to a file, and may take its time after that."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text + "\n")
    time.sleep(then_wait)


@app.task  # type: ignore[untyped-decorator]
def wait_for(path: str) -> str:
    """Returns when the file is there."""
    deadline = time.monotonic() + 90
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return "done"


@app.task(bind=True, max_retries=3)  # type: ignore[untyped-decorator]
def third_time_lucky(self: object) -> int:
    attempt: int = self.request.retries  # type: ignore[attr-defined]
    if attempt < 2:
        raise self.retry(countdown=0.1)  # type: ignore[attr-defined]
    return attempt
