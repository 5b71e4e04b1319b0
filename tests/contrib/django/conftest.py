"""A project with its databases, queues that are new in each test, and workers."""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from tests.support.postgres import Postgres

Setting = Callable[..., Any]
Working = Callable[..., contextlib.AbstractContextManager[None]]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[None]:
    """Django, set up with the project of the tests, and its tables made."""
    os.environ["BATONMQ_TEST_DJANGO"] = str(tmp_path_factory.mktemp("django"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.contrib.django.settings"
    try:
        postgres: Postgres | None = request.getfixturevalue("postgres")
    except pytest.skip.Exception:
        postgres = None
    with contextlib.ExitStack() as stack:
        if postgres is not None:
            stack.enter_context(postgres.database("django"))
            os.environ["BATONMQ_TEST_DJANGO_POSTGRES"] = postgres.folder
        import django
        from django.core.management import call_command
        from django.db import connections

        stack.callback(connections.close_all)
        django.setup()
        for alias in connections:
            call_command("migrate", verbosity=0, database=alias)
        # It has been read. Celery's workers, which other tests start, would look for the project.
        del os.environ["DJANGO_SETTINGS_MODULE"]
        yield


@pytest.fixture
def setting(project: None, tmp_path: Any) -> Iterator[Setting]:
    """Has the backend `default` with these OPTIONS, and whatever else TASKS may say; returns it."""
    from django.db import connections
    from django.test import override_settings

    from batonmq.contrib.django.compat import task_backends
    from batonmq.contrib.django.connections import close_connections
    from batonmq.contrib.django.models import OutboxMessage, Task

    with contextlib.ExitStack() as stack:

        def set_up(*, ENQUEUE_ON_COMMIT: bool = True, **options: object) -> Any:  # noqa: N803
            options = {"url": tmp_path / "tasks.db", "backoff": 0.05, **options}
            backend = {
                "BACKEND": "batonmq.contrib.django.BatonBackend",
                "QUEUES": ["default", "mails"],
                "ENQUEUE_ON_COMMIT": ENQUEUE_ON_COMMIT,
                "OPTIONS": options,
            }
            stack.enter_context(override_settings(TASKS={"default": backend}))
            return task_backends["default"]

        yield set_up
        close_connections()
        for alias in connections:
            Task.objects.using(alias).delete()
            OutboxMessage.objects.using(alias).delete()
        connections.close_all()


@pytest.fixture(params=["default", "postgres"])
def database(request: pytest.FixtureRequest, project: None) -> str:
    """The database of tasks and outbox: SQLite, or PostgreSQL."""
    from django.conf import settings

    name: str = request.param
    if name not in settings.DATABASES:
        pytest.skip("PostgreSQL is not installed")
    return name


@pytest.fixture
def working() -> Working:
    """A worker in a thread of this process, while the block runs."""

    @contextlib.contextmanager
    def work(backend: Any, queues: Sequence[str] = ("default", "mails"), concurrency: int = 2) -> Iterator[None]:
        worker_module = importlib.import_module("batonmq.contrib.django.worker")
        worker = worker_module.TaskWorker(backend, queues, concurrency=concurrency, drain=10.0, lease=None)
        stop = threading.Event()
        thread = threading.Thread(target=worker.run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    return work
