"""A Celery application, tested with a real broker and a real worker in the test's own process."""

from __future__ import annotations

from queue import SimpleQueue

from celery import Celery, Task
from celery.contrib.testing.worker import start_worker

from batonmq.testing import RunningServer


def test_a_task_that_fails_is_tried_again(baton_server: RunningServer) -> None:
    # The heartbeat wakes the worker's loop, so that it notices that it is to stop.
    app = Celery("shop", broker=baton_server.url, broker_heartbeat=2, set_as_current=False)
    attempts: SimpleQueue[int] = SimpleQueue()

    @app.task(bind=True, name="shop.charge")
    def charge(task: Task, amount: int) -> None:
        assert amount == 5
        attempts.put(task.request.retries)
        if task.request.retries < 2:
            raise task.retry(countdown=0)

    with start_worker(app, perform_ping_check=False, pool="solo"):
        charge.delay(5)
        assert [attempts.get(timeout=10) for _ in range(3)] == [0, 1, 2]
