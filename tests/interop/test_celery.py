"""A Celery application with a real worker: two processes, results over rpc://, late acknowledgement, remote control."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import sweep
from tests.support.marks import differs_from
from tests.support.waiting import in_time, until
from tests.support.wire import Address

pytestmark = pytest.mark.filterwarnings("default")

ROOT = Path(__file__).parents[2]


class Worker:
    """`celery worker` as a user starts it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.name = f"w-{uuid.uuid4().hex[:6]}@localhost"
        self.log = folder / f"{self.name}.log"
        command = [sys.executable, "-m", "celery", "-A", "tests.interop.celery_app", "worker"]
        command += ["--concurrency", "2", "--pool", "prefork", "--loglevel", "INFO", "--hostname", self.name]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def await_ready(self) -> None:
        until(lambda: b"ready." in self.log.read_bytes() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()

    def kill(self) -> None:
        """The worker and its pool, without a word to anybody."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()


# The application is imported once, and keeps its names: so does whoever comes back to these tests later.
@pytest.fixture(scope="session")
def environment(amqp: Address) -> Iterator[dict[str, str]]:
    name = f"t-celery-{uuid.uuid4().hex[:8]}"
    yield {**os.environ, "BATONMQ_TEST_CELERY": name, "BATONMQ_TEST_BROKER": amqp.url + "/"}
    sweep(amqp, {("queue", name), ("exchange", name)})


@pytest.fixture(scope="session")
def app(environment: dict[str, str]) -> Iterator[ModuleType]:
    """The application in this process, as a web server has it."""
    with pytest.MonkeyPatch.context() as patch:
        for key in ("BATONMQ_TEST_CELERY", "BATONMQ_TEST_BROKER"):
            patch.setenv(key, environment[key])
        from tests.interop import celery_app

        yield celery_app
        celery_app.app.close()


@pytest.fixture(scope="module")
def worker(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = Worker(tmp_path_factory.mktemp("celery"), environment)
    worker.await_ready()
    yield worker
    worker.stop()


@pytest.mark.usefixtures("worker")
def test_results_come_back(app: ModuleType) -> None:
    results = [app.add.delay(number, 1) for number in range(50)]
    assert [result.get(timeout=90) for result in results] == list(range(1, 51))


@pytest.mark.usefixtures("worker")
def test_an_exception_comes_back(app: ModuleType) -> None:
    with pytest.raises(ValueError, match="on purpose"):
        app.fail.delay().get(timeout=90)


@pytest.mark.usefixtures("worker")
def test_a_task_is_tried_again(app: ModuleType) -> None:
    assert app.third_time_lucky.delay().get(timeout=90) == 2


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("by", ["countdown", "eta"])
def test_a_task_waits_for_its_time(app: ModuleType, by: str) -> None:
    began = time.monotonic()
    if by == "countdown":
        result = app.add.apply_async((1, 2), countdown=1)
    else:
        result = app.add.apply_async((1, 2), eta=datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1))
    assert result.get(timeout=90) == 3
    assert time.monotonic() - began > 0.9


@pytest.mark.usefixtures("worker")
@differs_from("rabbitmq 4.", why="it has no prefetch that reaches a running consumer, and Celery stalls")
def test_tasks_that_wait_for_their_time_hold_up_nobody(app: ModuleType) -> None:
    def held_up(milliseconds: int) -> None:
        waiting = [app.add.apply_async((number, 1), countdown=milliseconds / 1_000) for number in range(12)]
        assert app.add.delay(1, 2).get(timeout=90) == 3
        assert not any(result.ready() for result in waiting)
        assert [result.get(timeout=90) for result in waiting] == list(range(1, 13))

    in_time(held_up, 4_000, 20_000)


@pytest.mark.usefixtures("worker")
def test_urgent_tasks_go_first(app: ModuleType, tmp_path: Path) -> None:
    first, last, notes = tmp_path / "first", tmp_path / "last", tmp_path / "notes"
    # Of the two that the worker does at once, one is held till the end: the others come one after the other.
    held = [app.wait_for.delay(str(gate)) for gate in (first, last)]
    until(lambda: ready_messages(app) == 0)
    results = [
        app.note.apply_async((str(notes), text), priority=priority)
        for text, priority in (("low", 0), ("middle", 5), ("high", 9))
    ]
    until(lambda: ready_messages(app) == 3)
    first.touch()
    for result in results:
        result.get(timeout=90)
    last.touch()
    for result in held:
        result.get(timeout=90)
    assert notes.read_text().split() == ["high", "middle", "low"]


def ready_messages(app: ModuleType) -> int:
    with app.app.connection_for_read() as connection:
        return int(connection.default_channel.queue_declare(app.NAME, passive=True).message_count)


def test_a_worker_answers_a_ping(app: ModuleType, worker: Worker) -> None:
    assert app.app.control.ping([worker.name], timeout=20, limit=1) == [{worker.name: {"ok": "pong"}}]


def test_a_worker_tells_what_it_does(app: ModuleType, worker: Worker, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    result = app.wait_for.delay(str(gate))
    inspect = app.app.control.inspect([worker.name], timeout=20, limit=1)
    until(lambda: any(task["id"] == result.id for task in (inspect.active() or {}).get(worker.name, [])))
    gate.touch()
    assert result.get(timeout=90) == "done"


@pytest.mark.usefixtures("worker")
def test_a_revoked_task_does_not_run(app: ModuleType, worker: Worker, tmp_path: Path) -> None:
    def is_left_out(seconds: int) -> None:
        notes = tmp_path / f"notes-{seconds}"
        revoked = app.note.apply_async((str(notes), "revoked"), countdown=seconds)
        app.app.control.revoke(revoked.id, destination=[worker.name], reply=True, timeout=20, limit=1)
        app.note.apply_async((str(notes), "kept"), countdown=seconds + 0.2).get(timeout=90)
        assert notes.read_text() == "kept\n"

    in_time(is_left_out, 1, 20)


def test_what_a_killed_worker_held_goes_to_another(
    app: ModuleType, environment: dict[str, str], worker: Worker, tmp_path: Path
) -> None:
    worker.stop()
    notes = tmp_path / "notes"
    victim = Worker(tmp_path, environment)
    victim.await_ready()
    app.note.delay(str(notes), "ran", 600)
    until(lambda: notes.exists() and notes.read_text() == "ran\n")
    victim.kill()
    until(lambda: ready_messages(app) == 1)
    heir = Worker(tmp_path, environment)
    try:
        heir.await_ready()
        until(lambda: notes.read_text() == "ran\nran\n")
    finally:
        heir.kill()
