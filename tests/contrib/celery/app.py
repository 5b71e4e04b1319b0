"""A Celery application as somebody writes it: all that is ours is the two URLs."""

from __future__ import annotations

import os
import time

from celery import Celery, Task

app = Celery("app", broker=os.environ["TASKS"], backend=os.environ["RESULTS"])
app.conf.task_acks_late = True
app.conf.worker_prefetch_multiplier = 1
app.conf.task_reject_on_worker_lost = True
app.conf.worker_proc_alive_timeout = 60
app.conf.broker_connection_retry_on_startup = True


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task
def same(values: list[object]) -> list[object]:
    return values


@app.task(bind=True, max_retries=5)
def flaky(self: Task) -> int:
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return int(self.request.retries)


@app.task(bind=True)
def hold(self: Task, path: str) -> bool:
    """Until the file is there. Was it given to somebody before?"""
    with open(f"{path}.held", "a", encoding="utf-8") as held:  # noqa: PTH123
        held.write("x")
    while not os.path.exists(path):  # noqa: PTH110
        time.sleep(0.01)
    return bool(self.request.delivery_info["redelivered"])
