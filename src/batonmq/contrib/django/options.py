"""The settings of a backend: the keys of OPTIONS, and the check of their values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from django.core.checks import CheckMessage, Error, Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router

from batonmq.engines.checks import check_flag, check_number, check_queue, check_seconds
from batonmq.engines.openers import check_target
from batonmq.engines.urls import parse_url

__all__ = ["BackendOptions", "Route", "database_of", "problem_of_queues", "problems"]

OUTBOX_VENDORS = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendOptions:
    """OPTIONS of a backend. Times are in seconds. Raises TypeError, ValueError."""

    url: str | os.PathLike[str]
    """Where the queues are, as for ``batonmq.connect``."""
    prefix: str = "tasks."
    """The prefix of each queue's name, before Django's name for it."""
    outbox: bool = True
    """Is a task's message written to the database in the same transaction, and relayed from there?

    If not, it is sent right after the commit, and a process that is killed in between leaves a task that never runs.
    """
    database: str | None = None
    """The database of tasks and outbox, as DATABASES names it; None: as the database routers say."""
    attempts: int = 1
    """How often a task that raises is run, 1 or more."""
    backoff: float = 1.0
    """How long a failed task waits before the next attempt; doubled each time."""
    backoff_max: float = 60.0
    """The longest such wait."""
    max_deaths: int = 3
    """How many workers may die while running a task before it counts as failed, 1 or more."""
    max_priority: int | None = None
    """The highest priority of the queues, 1 to 255; None: 200, so that each of Django's counts, or 10 on RabbitMQ."""

    def __post_init__(self) -> None:
        url: object = self.url
        if not isinstance(url, str | os.PathLike) or not os.fspath(url):
            raise TypeError(f"url is a path or a URL, not {self.url!r}")
        check_target(parse_url(self.url))
        if self.prefix:
            check_queue(self.prefix, "prefix")
        check_flag("outbox", self.outbox)
        if self.database is not None and not isinstance(self.database, str):
            raise TypeError(f"database is a name of DATABASES, not {self.database!r}")
        check_number("attempts", self.attempts, 1)
        check_number("max_deaths", self.max_deaths, 1)
        check_seconds("backoff", self.backoff)
        check_seconds("backoff_max", self.backoff_max)
        if self.max_priority is not None:
            check_number("max_priority", self.max_priority, 1, 255)

    @classmethod
    def read(cls, alias: str, options: Mapping[str, Any]) -> BackendOptions:
        """Read a backend's settings. Raises ImproperlyConfigured for what `problems` has as errors."""
        for problem in problems(alias, options):
            if problem.level >= 40:
                raise ImproperlyConfigured(f"{problem.msg} {problem.hint}")
        return cls(**options)

    def pause(self, attempts: int) -> float:
        """How long a task waits after that many attempts."""
        return float(min(self.backoff_max, self.backoff * 2 ** min(attempts - 1, 32)))


@dataclass(frozen=True, slots=True)
class Route:
    """Where tasks go: the backend's options, the database, and the queue."""

    options: BackendOptions
    database: str
    """The database of tasks and outbox, as DATABASES names it."""
    queue: str
    """The name of the queue for one of Django's."""


def database_of(options: BackendOptions) -> str:
    """The database of tasks and outbox, as DATABASES names it."""
    from batonmq.contrib.django.models import Task

    return options.database or str(router.db_for_write(Task))


def problem_of_queues(alias: str, queues: object) -> Iterator[CheckMessage]:
    """QUEUES that is one name, of which Django would take each letter for a queue."""
    if isinstance(queues, str):
        yield Error(
            f"TASKS[{alias!r}]['QUEUES'] is {queues!r}, and should be a list of names.",
            hint=f'"QUEUES": [{queues!r}]',
            id="batonmq.E009",
        )


def problems(alias: str, options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    """The faults in a backend's OPTIONS, as ``manage.py check`` reports them."""
    where = f"TASKS[{alias!r}]['OPTIONS']"
    known = [field.name for field in fields(BackendOptions)]
    from django.apps import apps

    if not apps.is_installed("batonmq.contrib.django"):
        yield Error(
            f"TASKS[{alias!r}] uses BatonBackend, and its application is not installed.",
            hint='Add "batonmq.contrib.django" to INSTALLED_APPS, and run `manage.py migrate`.',
            id="batonmq.E001",
        )
    unknown = sorted(set(options) - set(known))
    if unknown:
        yield Error(
            f"{where} has unknown options: {', '.join(unknown)}.", hint=f"Known: {', '.join(known)}.", id="batonmq.E002"
        )
    if "url" not in options:
        yield Error(
            f"{where} has no url.",
            hint='Say where the queues are: "url": BASE_DIR / "tasks.db", or "amqp://user:password@host:5672/vhost".',
            id="batonmq.E003",
        )
        return
    try:
        read = BackendOptions(**{name: value for name, value in options.items() if name in known})
    except (TypeError, ValueError) as error:
        yield Error(f"{where}: {error}.", hint="See docs/django.md of BatonMQ.", id="batonmq.E004")
        return
    from django.conf import settings

    if read.database is not None and read.database not in settings.DATABASES:
        yield Error(
            f"{where}: there is no database {read.database!r}.",
            hint=f"DATABASES has: {', '.join(settings.DATABASES)}.",
            id="batonmq.E005",
        )
    elif read.outbox and (vendor := connections[database_of(read)].vendor) not in OUTBOX_VENDORS:
        yield Error(
            f"{where}: the outbox is for SQLite and PostgreSQL, and the database of the tasks is of {vendor}.",
            hint='"outbox": False sends each message right after the commit; a crash in between loses the task.',
            id="batonmq.E007",
        )
    target = parse_url(read.url)
    if target.engine == "file":
        yield from _problems_of_file(where, Path(target.location))
    said = os.fspath(read.url)
    if target.engine == "file" and not said.startswith("file:") and not Path(said).is_absolute():
        yield CheckWarning(
            f"{where}: the path {said!r} depends on the current directory.",
            hint='Workers may be started elsewhere, and see another file: BASE_DIR / "tasks.db".',
            id="batonmq.W001",
        )
    if target.engine == "memory":
        yield CheckWarning(
            f"{where}: queues in memory are seen by this process alone, and gone with it.",
            hint="Use the path of a file, or a broker, unless this is a test.",
            id="batonmq.W002",
        )


def _problems_of_file(where: str, path: Path) -> Iterator[CheckMessage]:
    if not path.parent.is_dir():
        yield Error(
            f"{where}: the folder of the file {str(path)!r} is not there.",
            hint="Make the folder; it must be writable for whoever runs the application and its workers.",
            id="batonmq.E006",
        )
    elif path.is_dir():
        yield Error(
            f"{where}: {str(path)!r} is a folder, and not a file.",
            hint=f'Name a file in it: "{path / "tasks.db"}".',
            id="batonmq.E006",
        )
    for alias, database in connections.settings.items():
        name = database["NAME"]
        if connections[alias].vendor == "sqlite" and name and Path(name).resolve() == path.resolve():
            # Whoever comes first would make the file their own, and the other could not use it.
            yield Error(
                f"{where}: {str(path)!r} is the file of the database {alias!r}.",
                hint='Queues need a file of their own: BASE_DIR / "tasks.db".',
                id="batonmq.E008",
            )
