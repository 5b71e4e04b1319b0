"""Django's tasks through our backend: what is enqueued with its transaction is run, once, and has a result."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.contrib.django.conftest import Setting, Working
from tests.support.waiting import until


@pytest.fixture
def tasks(project: None) -> Any:
    return importlib.import_module("tests.contrib.django.tasks")


def ended(result: Any) -> Any:
    def is_over() -> bool:
        result.refresh()
        return bool(result.is_finished)

    until(is_over)
    return result


def test_a_task_is_run_and_has_a_result(setting: Setting, database: str, tasks: Any, working: Working) -> None:
    backend = setting(database=database)
    enqueued = tasks.add.enqueue(1, b=2)
    assert (enqueued.status, enqueued.attempts, enqueued.args, enqueued.kwargs) == ("READY", 0, [1], {"b": 2})
    with pytest.raises(ValueError, match="not finished"):
        _ = enqueued.return_value
    with working(backend):
        result = ended(tasks.add.get_result(enqueued.id))
    assert (result.status, result.return_value, result.attempts, result.errors) == ("SUCCESSFUL", 3, 1, [])
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert asyncio.run(tasks.add.aget_result(enqueued.id)).return_value == 3


def test_what_is_rolled_back_is_never_run(
    setting: Setting, database: str, tasks: Any, working: Working, tmp_path: Path
) -> None:
    from django.db import transaction

    backend = setting(database=database)
    notes = tmp_path / "notes"

    def fail() -> None:
        with transaction.atomic(using=database):
            tasks.note.enqueue(str(notes), "rolled back")
            raise LookupError("no such order")

    with pytest.raises(LookupError):
        fail()
    with working(backend):
        with transaction.atomic(using=database):
            first = tasks.note.enqueue(str(notes), "committed")
            with contextlib.suppress(LookupError):
                fail()
            assert tasks.note.get_result(first.id).status == "READY"
        ended(first)
    assert notes.read_text() == "committed\n"


@pytest.mark.parametrize("outbox", [True, False])
def test_errors_are_kept_with_their_tracebacks(setting: Setting, tasks: Any, working: Working, outbox: bool) -> None:
    backend = setting(outbox=outbox)
    raises, odd, left = (
        tasks.fail.enqueue("no such order"),
        tasks.nothing_that_json_has.enqueue(),
        tasks.leave.enqueue(),
    )
    with working(backend):
        for result in (raises, odd, left):
            assert ended(result).status == "FAILED"
    assert raises.errors[0].exception_class is LookupError
    assert raises.errors[0].traceback.endswith("LookupError: no such order\n")
    assert [odd.errors[0].exception_class, left.errors[0].exception_class] == [TypeError, SystemExit]
    with pytest.raises(ValueError, match="failed"):
        _ = raises.return_value


def test_a_task_may_be_tried_again_and_knows_its_attempt(setting: Setting, tasks: Any, working: Working) -> None:
    backend = setting(attempts=2)
    with working(backend):
        second, never = ended(tasks.second_time.enqueue()), ended(tasks.fail.enqueue("never"))
    assert second.return_value == [2, second.id]
    assert (second.attempts, len(second.errors)) == (2, 1)
    assert (never.status, never.attempts, len(never.errors)) == ("FAILED", 2, 2)


def test_a_receiver_of_signals_that_raises_keeps_no_task_from_being_run_once(
    setting: Setting, tasks: Any, working: Working, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from batonmq.contrib.django.compat import task_finished, task_started

    def fail(**_: object) -> None:
        raise LookupError("no such dashboard")

    backend = setting()
    for told in (task_started, task_finished):
        told.connect(fail)
    try:
        with working(backend):
            result = ended(tasks.note.enqueue(str(tmp_path / "notes"), "run"))
    finally:
        for told in (task_started, task_finished):
            told.disconnect(fail)
    assert (result.status, result.attempts) == ("SUCCESSFUL", 1)
    assert (tmp_path / "notes").read_text() == "run\n"
    assert sum(f"({result.id}): a receiver of a signal failed" in line for line in caplog.messages) == 2


def test_async_tasks_are_enqueued_and_run(setting: Setting, tasks: Any, working: Working) -> None:
    backend = setting()
    with working(backend):
        assert ended(asyncio.run(tasks.later.aenqueue("x"))).return_value == {"text": "x"}


def test_priorities_come_first_and_what_is_for_later_waits(
    setting: Setting, tasks: Any, working: Working, tmp_path: Path
) -> None:
    from django.utils import timezone

    backend = setting()
    notes = str(tmp_path / "notes")
    due = timezone.now() + timedelta(seconds=1.5)
    late = tasks.note.using(run_after=due).enqueue(notes, "late")
    soon = [tasks.note.using(priority=priority).enqueue(notes, str(priority)) for priority in (-100, 0, 1, 100, -1)]
    from batonmq.contrib.django.models import OutboxMessage

    until(lambda: not OutboxMessage.objects.exists())
    with working(backend, concurrency=1):
        for result in (*soon, late):
            ended(result)
    assert late.started_at >= due - timedelta(seconds=0.1)
    # On a busy machine it is due before the others have been run.
    assert [note for note in Path(notes).read_text().split() if note != "late"] == ["100", "1", "0", "-1", "-100"]


def test_a_worker_takes_the_queues_that_it_is_told(setting: Setting, tasks: Any, working: Working) -> None:
    backend = setting()
    plain, mail = tasks.add.enqueue(1), tasks.fail.enqueue("x")
    with working(backend, ["mails"]):
        ended(mail)
    plain.refresh()
    assert plain.status == "READY"


def test_without_the_wait_for_the_commit_a_task_runs_whatever_becomes_of_it(
    setting: Setting, database: str, tasks: Any, working: Working, tmp_path: Path
) -> None:
    from django.db import transaction

    backend = setting(database=database, ENQUEUE_ON_COMMIT=False)
    notes = tmp_path / "notes"
    found = []
    with working(backend):

        def fail() -> None:
            with transaction.atomic(using=database):
                found.append(tasks.note.enqueue(str(notes), "rolled back"))
                raise LookupError

        with pytest.raises(LookupError):
            fail()
        until(notes.exists)
        until(lambda: tasks.note.get_result(found[0].id).status == "SUCCESSFUL")


def test_a_task_that_is_handed_over_twice_is_run_once(
    setting: Setting, tasks: Any, working: Working, tmp_path: Path
) -> None:
    from batonmq.contrib.django.connections import connection_to

    backend = setting()
    notes = tmp_path / "notes"
    first = tasks.note.enqueue(str(notes), "once")
    mq = connection_to(backend.settings, "tasks.default")
    until(lambda: mq.count("tasks.default"))
    (message,) = mq.peek("tasks.default")
    mq.send("tasks.default", message.body, id="another")
    with working(backend):
        ended(first)
        ended(tasks.add.enqueue(1))
    assert notes.read_text() == "once\n"


def test_what_was_enqueued_while_the_broker_was_away_is_run_later(
    setting: Setting, tasks: Any, working: Working, caplog: pytest.LogCaptureFixture
) -> None:
    setting(url="amqp://guest:guest@127.0.0.1:1/")
    result = tasks.add.enqueue(1, 2)
    assert f"task {result.id} waits in the outbox" in caplog.text
    with working(setting()):
        assert ended(result).return_value == 3


def test_wrong_tasks_are_refused(setting: Setting, tasks: Any) -> None:
    from batonmq.contrib.django.compat import InvalidTask, TaskResultDoesNotExist
    from batonmq.contrib.django.models import Task

    setting()
    with pytest.raises(InvalidTask, match="'letters' is not valid"):
        tasks.add.using(queue_name="letters")
    with pytest.raises(InvalidTask, match="between -100 and 100"):
        tasks.add.using(priority=101)
    with pytest.raises(TypeError, match="Unsupported type"):
        tasks.add.enqueue(object())
    with pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result("nowhere")
    assert not Task.objects.exists()
