"""Results in a file: what Celery's backends do with one another's values, in one process and in several."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from celery.exceptions import ChordError, ImproperlyConfigured, TimeoutError as CeleryTimeoutError

from batonmq.contrib.celery.backend import BatonBackend
from batonmq.contrib.celery.results import Results

URL = "batonmq:///"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Celery]:
    with Celery("t", broker="memory://", set_as_current=False) as app:
        yield app


@pytest.fixture
def backend(app: Celery, tmp_path: Path) -> Iterator[BatonBackend]:
    backend = BatonBackend(f"{URL}{tmp_path}/tasks.db", app=app)
    yield backend
    backend.close()


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Results]:
    results = Results(str(tmp_path / "results"))
    yield results
    results.close()


def test_a_result_is_stored_read_and_forgotten(backend: BatonBackend, tmp_path: Path) -> None:
    task = str(uuid.uuid4())
    assert backend.get_state(task) == "PENDING"
    backend.mark_as_started(task)
    assert backend.get_state(task) == "STARTED"
    backend.mark_as_done(task, {"n": [1, 2]})
    assert backend.wait_for(task, timeout=0)["result"] == {"n": [1, 2]}
    assert (tmp_path / "tasks.db-results").exists()
    backend.forget(task)
    assert backend.get_state(task) == "PENDING"


def test_who_waits_sees_a_result_when_it_is_there(backend: BatonBackend, app: Celery) -> None:
    # As another process has it: a connection of its own.
    other = BatonBackend(backend.url, app=app)
    tasks = [str(uuid.uuid4()) for _ in range(3)]
    looked = threading.Event()

    def work() -> None:
        looked.wait(30)
        for number, task in enumerate(tasks):
            other.mark_as_done(task, number)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert backend.wait_for(tasks[2], timeout=60, interval=0.01, on_interval=looked.set)["result"] == 2
        assert looked.is_set()
        assert {task: meta["result"] for task, meta in backend.get_many(tasks, timeout=30)} == {
            task: number for number, task in enumerate(tasks)
        }
    finally:
        thread.join()
        other.close()


def test_who_waits_too_long_is_told(backend: BatonBackend) -> None:
    with pytest.raises(CeleryTimeoutError):
        backend.wait_for("none", timeout=0.05)
    with pytest.raises(CeleryTimeoutError):
        list(backend.get_many(["none"], timeout=0))
    assert list(backend.get_many([], timeout=0)) == []


@pytest.fixture
def own(app: Celery, tmp_path: Path) -> Iterator[BatonBackend]:
    """The backend of the application itself, which is the one that a group asks."""
    app.loader.override_backends = {"batonmq": "batonmq.contrib.celery.backend:BatonBackend"}
    app.conf.result_backend = f"{URL}{tmp_path}/tasks.db"
    yield app.backend
    app.backend.close()


@pytest.mark.parametrize("is_known_before", [True, False])
def test_a_group_raises_what_failed_before_it_in_its_chain(
    own: BatonBackend, app: Celery, *, is_known_before: bool
) -> None:
    first, second, *tasks = (app.AsyncResult(str(uuid.uuid4())) for _ in range(4))
    second.parent = first
    group = app.GroupResult(str(uuid.uuid4()), tasks, parent=second)
    told: list[int] = []

    def fail() -> None:
        if not told:
            told.append(1)
            own.mark_as_failure(first.id, LookupError("no such customer"))

    if is_known_before:
        fail()
    # No task of the group is ever begun.
    with pytest.raises(LookupError, match="no such customer"):
        group.get(timeout=60, on_interval=fail)


def test_a_group_in_a_chain_that_goes_well_returns_its_values(own: BatonBackend, app: Celery) -> None:
    first, *tasks = (app.AsyncResult(str(uuid.uuid4())) for _ in range(3))
    own.mark_as_done(first.id, 1)

    def work() -> None:
        for number, task in enumerate(tasks):
            own.mark_as_done(task.id, number)

    assert app.GroupResult(str(uuid.uuid4()), tasks, parent=first).get(timeout=60, on_interval=work) == [0, 1]


def test_a_chord_that_fails_raises_what_its_part_did(own: BatonBackend, app: Celery) -> None:
    part, body = (app.AsyncResult(str(uuid.uuid4())) for _ in range(2))
    body.parent = app.GroupResult(str(uuid.uuid4()), [part])
    told: list[int] = []

    def fail(*_: object) -> None:
        if not told:
            told.append(1)
            own.mark_as_failure(part.id, LookupError("no such customer"))
            own.mark_as_failure(body.id, ChordError("a part failed"))

    with pytest.raises(LookupError, match="no such customer"):
        body.get(timeout=60, on_interval=fail)


def test_a_value_is_forgotten_when_its_time_is_over(results: Results) -> None:
    results.set(b"short", b"1", 0.05)
    results.set(b"long", b"2", 1000)
    results.set(b"ever", b"3", None)
    assert results.get_all([b"short", b"long", b"ever", b"none"])[1:] == [b"2", b"3", None]
    time.sleep(0.06)
    assert results.get(b"short") is None
    # A later write takes it along.
    results.set(b"new", b"4", None)
    assert results.sweep() == 0
    results.expire(b"ever", 0.01)
    time.sleep(0.02)
    assert results.sweep() == 1
    assert results.get_all([b"ever", b"long"]) == [None, b"2"]


@pytest.mark.parametrize(
    ("url", "broker", "path"),
    [
        ("batonmq:////var/lib/tasks.db", "", "/var/lib/tasks.db-results"),
        ("file:///var/lib/tasks.db", "", "/var/lib/tasks.db-results"),
        ("batonmq://", "batonmq:////a/b%20c.db", "/a/b c.db-results"),
        ("batonmq:///tasks.db", "", "{}/tasks.db-results"),
    ],
)
def test_a_url_says_which_file(
    url: str, broker: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Celery("t", broker=broker or "memory://", set_as_current=False) as app:
        assert BatonBackend(url, app=app).path == path.format(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        *("batonmq://ann:secret@host/vhost", "batonmqs://ann:secret@host/vhost", "batonmq://localhost/vhost"),
        *("batonmq:///", "batonmq:///folder/", "batonmq", "batonmq://"),
    ],
)
def test_a_url_without_a_file_is_refused_with_what_to_write(url: str, app: Celery) -> None:
    with pytest.raises(ImproperlyConfigured, match="absolute path") as caught:
        BatonBackend(url, app=app)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("broker", ["amqp://localhost/vhost", "batonmq://localhost/vhost", "batonmqs://host/vhost"])
def test_a_broker_is_no_file_for_results(broker: str) -> None:
    with (
        Celery("t", broker=broker, set_as_current=False) as app,
        pytest.raises(ImproperlyConfigured, match="has no file, as broker_url has none"),
    ):
        BatonBackend("batonmq://", app=app)
