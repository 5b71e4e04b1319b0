"""manage.py batonmq_worker: processes of their own, told to stop and killed."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contrib.django.conftest import Setting
from tests.contrib.django.test_backend import ended
from tests.support.markdown import ROOT
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")


@pytest.fixture
def tasks(setting: Setting) -> Any:
    setting(url=Path(os.environ["BATONMQ_TEST_DJANGO"]) / "tasks.db")
    return importlib.import_module("tests.contrib.django.tasks")


@contextlib.contextmanager
def worker(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "django", "batonmq_worker", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "tests.contrib.django.settings"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_ctrl_c_before_the_worker_listens_for_it_ends_the_command(tasks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.management import call_command

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    module = importlib.import_module("batonmq.contrib.django.management.commands.batonmq_worker")
    monkeypatch.setattr(module, "TaskWorker", interrupted)
    with pytest.raises(SystemExit) as ended:
        call_command("batonmq_worker")
    assert ended.value.code == 0


def test_a_worker_that_is_told_to_stop_ends_what_it_has_begun(tasks: Any, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    result = tasks.slow.enqueue(str(begun), 1.0)
    with worker("--queue", "default", "--concurrency", "2") as process:
        until(begun.exists)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "has stopped" in said
    assert "Traceback" not in said
    assert ended(result).return_value == "done"


def test_what_a_killed_worker_had_is_run_by_the_next_and_given_up_if_it_kills_each(tasks: Any) -> None:
    once, always = tasks.die.enqueue(1), tasks.die.enqueue(1_000)
    workers = 0

    def is_over() -> bool:
        once.refresh()
        always.refresh()
        return bool(once.is_finished and always.is_finished)

    while not is_over():
        workers += 1
        assert workers < 10
        with worker("--queue", "default") as process:
            until(lambda process=process: process.poll() is not None or is_over())  # type: ignore[misc]
            process.terminate()
            process.communicate(timeout=60)
    assert (once.status, once.return_value, once.attempts) == ("SUCCESSFUL", 2, 2)
    assert (always.status, always.attempts) == ("FAILED", 3)
    assert "3 workers died while they ran it" in always.errors[0].traceback


def test_a_wrong_command_is_told_so(project: None) -> None:
    from django.core.management import call_command
    from django.core.management.base import CommandError

    for words, text in (
        (["--backend", "other"], "other"),
        (["--queue", "letters"], "has the queues default, mails"),
        (["--concurrency", "0"], "concurrency is 1"),
        (["--lease", "0.1"], "lease is 1 seconds"),
    ):
        with pytest.raises(CommandError, match=text):
            call_command("batonmq_worker", *words)


def test_results_that_are_old_are_deleted(tasks: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from datetime import timedelta

    from django.core.management import call_command
    from django.utils import timezone

    from batonmq.contrib.django.models import Task

    now = timezone.now()
    for name, days, status in (("old", 8, "FAILED"), ("new", 1, "SUCCESSFUL"), ("ready", None, "READY")):
        finished = None if days is None else now - timedelta(days=days)
        Task.objects.create(id=name, status=status, enqueued_at=now, finished_at=finished)
    call_command("batonmq_purge", "--dry-run")
    call_command("batonmq_purge", "--status", "SUCCESSFUL")
    assert Task.objects.count() == 3
    call_command("batonmq_purge")
    assert sorted(task.pk for task in Task.objects.all()) == ["new", "ready"]
    assert capsys.readouterr().out.splitlines()[0] == "1 tasks would be deleted"
