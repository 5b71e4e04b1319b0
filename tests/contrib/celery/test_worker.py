"""A Celery application on a file, with real workers in other processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from celery import chain, chord, group
from celery.exceptions import TaskRevokedError

from tests.contrib.celery.conftest import Worker
from tests.support.waiting import in_time, until

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.xdist_group("celery-on-a-file")]

LONG = 60


@pytest.fixture(scope="module")
def worker(start: Callable[..., Worker]) -> Worker:
    return start("--concurrency", "2", "--pool", "prefork").await_ready()


def test_the_url_alone_is_enough(worker: Worker, tasks: ModuleType) -> None:
    assert tasks.add.delay(1, 2).get(timeout=LONG) == 3
    log = worker.log.read_text()
    assert "transport:   batonmq:////" in log
    assert "Traceback" not in log


def test_groups_chains_and_chords(worker: Worker, tasks: ModuleType) -> None:
    add = tasks.add
    assert group(add.s(n, n) for n in range(10))().get(timeout=LONG) == [2 * n for n in range(10)]
    assert chain(add.s(1, 2), add.s(3))().get(timeout=LONG) == 6
    assert chord([add.s(n, n) for n in range(10)])(tasks.total.s()).get(timeout=LONG) == 90


def test_retries_and_countdowns_wait_in_the_queue(worker: Worker, tasks: ModuleType) -> None:
    assert tasks.flaky.delay().get(timeout=LONG) == 2
    later = [tasks.add.apply_async((n, n), countdown=3600) for n in range(8)]
    began = time.monotonic()
    soon = tasks.add.apply_async((1, 1), countdown=0.4)
    # Four times the prefetch of eta tasks would have filled the worker's hands.
    assert tasks.add.delay(2, 2).get(timeout=LONG) == 4
    assert soon.get(timeout=LONG) == 2
    assert time.monotonic() - began >= 0.4
    inspect = tasks.app.control.inspect([worker.name], timeout=LONG, limit=1)
    assert inspect.scheduled() == {worker.name: []}
    assert {task.state for task in later} == {"PENDING"}


def test_remote_control_and_revokes(worker: Worker, tasks: ModuleType) -> None:
    control = tasks.app.control
    assert control.ping([worker.name], timeout=LONG, limit=1) == [{worker.name: {"ok": "pong"}}]
    inspect = control.inspect([worker.name], timeout=LONG, limit=1)
    assert "app.add" in str(inspect.registered()) or "tests.contrib.celery.app.add" in str(inspect.registered())

    def is_revoked(seconds: int) -> None:
        doomed = tasks.add.apply_async((1, 1), countdown=seconds)
        doomed.revoke()
        until(lambda: doomed.id in inspect.revoked()[worker.name])
        with pytest.raises(TaskRevokedError):
            doomed.get(timeout=LONG)

    in_time(is_revoked, 1, 20)


def test_events_reach_who_listens(worker: Worker, tasks: ModuleType) -> None:
    seen: list[str] = []
    with tasks.app.connection_for_read() as connection:
        receiver = tasks.app.events.Receiver(connection, handlers={"*": lambda event: seen.append(event["type"])})
        with receiver.consumer_context(wakeup=False) as (listening, _, _):
            tasks.app.control.enable_events(reply=True, timeout=LONG, limit=1)
            result = tasks.add.delay(3, 3)
            until(lambda: [listening.drain_events(timeout=LONG), "task-succeeded" in seen][1])
            assert result.get(timeout=LONG) == 6


def test_results_come_back_over_rpc(worker: Worker, tasks: ModuleType) -> None:
    # The worker's results go to its own backend; that rpc:// works is seen from what it does itself.
    from celery.backends.rpc import RPCBackend

    backend = RPCBackend(app=tasks.app)
    binding = backend.binding
    with tasks.app.pool.acquire() as connection, connection.channel() as channel:
        binding(channel).declare()
        backend.store_result("t-1", 7, "SUCCESS", request=_Request(backend.oid))
        meta = backend.get_task_meta("t-1")
    assert meta["result"] == 7


class _Request:
    def __init__(self, reply_to: str) -> None:
        self.reply_to = reply_to
        self.correlation_id = "t-1"
        self.group = self.parent_id = None
        self.children: list[object] = []


@pytest.mark.usefixtures("no_worker")
def test_what_a_killed_worker_had_comes_again(start: Callable[..., Worker], tasks: ModuleType, tmp_path: Path) -> None:
    """Also the worker that had the file: another one takes over."""
    first = start("--concurrency", "2").await_ready()
    results = [tasks.hold.delay(str(tmp_path / name)) for name in "abc"]
    until(lambda: len(list(tmp_path.glob("*.held"))) == 2)
    second = start("--pool", "threads", "--concurrency", "3")
    first.kill()
    second.await_ready()
    until(lambda: len(list(tmp_path.glob("*.held"))) == 3)
    for name in "abc":
        (tmp_path / name).touch()
    assert sorted(result.get(timeout=LONG) for result in results) == [False, True, True]
    assert "Traceback" not in second.stop()
