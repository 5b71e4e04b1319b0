"""Workers as a user starts them, and the application in this process, as a web server has it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import batonmq.contrib.kombu as registered
from tests.contrib.installed import install_entry_points
from tests.support.markdown import ROOT
from tests.support.waiting import until

APP = "tests.contrib.celery.app"


class Worker:
    """`celery worker`, with its pool in a group of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], *arguments: str) -> None:
        self.name = f"w-{uuid.uuid4().hex[:6]}@localhost"
        self.log = folder / f"{self.name}.log"
        command = [sys.executable, "-m", "celery", "-A", APP, "worker", "--loglevel", "INFO", "--hostname", self.name]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *arguments],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def await_ready(self) -> Worker:
        until(lambda: b"ready." in self.log.read_bytes() or self.process.poll() is not None, 90)
        assert self.process.poll() is None, self.log.read_text()
        return self

    def kill(self) -> None:
        """The worker and its pool, without a word to anybody."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> str:
        """Its log."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.log.read_text()


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("celery")
    url = f"batonmq:///{folder}/tasks.db"
    paths = [str(install_entry_points(folder / "installed")), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "TASKS": url, "RESULTS": url, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


@pytest.fixture(scope="session")
def tasks(environment: dict[str, str]) -> Iterator[ModuleType]:
    assert registered.SERIALIZER
    with pytest.MonkeyPatch.context() as patch:
        for key in ("TASKS", "RESULTS"):
            patch.setenv(key, environment[key])
        from tests.contrib.celery import app

        # What the entry point does for who has installed it.
        app.app.loader.override_backends = {"batonmq": "batonmq.contrib.celery.backend:BatonBackend"}
        yield app
        app.app.backend.close()
        app.app.close()


@pytest.fixture(scope="session")
def started() -> Iterator[list[Worker]]:
    """All workers so far."""
    started: list[Worker] = []
    yield started
    for worker in started:
        worker.stop()


@pytest.fixture
def no_worker(started: list[Worker]) -> None:
    """Those before have ended: none of them takes what the test sends."""
    for worker in started:
        worker.stop()


@pytest.fixture(scope="session")
def start(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory, started: list[Worker]
) -> Callable[..., Worker]:
    def start(*arguments: str) -> Worker:
        started.append(Worker(tmp_path_factory.mktemp("worker"), environment, *arguments))
        return started[-1]

    return start
