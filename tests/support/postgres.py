"""A PostgreSQL of the tests' own: a cluster in a folder that goes with it, on a socket in that folder and no port."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["Postgres", "running_postgres"]

# Where Debian has what is not in PATH.
FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


class Postgres:
    """A cluster that runs."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def url(self, database: str = "postgres") -> str:
        """For psycopg and SQLAlchemy, whose drivers go before the colon."""
        return f"postgresql://tests@/{database}?host={self.folder}"

    @contextlib.contextmanager
    def database(self, name: str) -> Iterator[str]:
        """The URL of an empty database."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield self.url(name)
        finally:
            with psycopg.connect(self.url(), autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def _program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, FOLDERS)]))
    if found is None:
        pytest.skip(f"PostgreSQL is not installed: there is no {name}")
    return found


def _user() -> str | None:
    """PostgreSQL does not run as root. None: as whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.skip("PostgreSQL does not run as root, and there is no other user")


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A cluster; skips the test where there is no PostgreSQL."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    user = _user()
    folder = tempfile.mkdtemp(prefix="pg-")
    if user is not None:
        shutil.chown(folder, user)

    def run(*command: str) -> None:
        done = subprocess.run(
            command,
            user=user,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={"LC_ALL": "C"},
        )
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        run(initdb, "-D", f"{folder}/data", "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-locale")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c max_connections=50"
        run(pg_ctl, "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield Postgres(folder)
        finally:
            run(pg_ctl, "-D", f"{folder}/data", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
