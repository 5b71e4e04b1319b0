"""Where installed brokers are kept, and the steps that bring them there: each ends by its time limit at the latest."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

__all__ = ["Unavailable", "cache", "complete", "installing", "is_complete", "step"]

MARK = ".complete"
# Longer than any installation takes at most: another process that holds its lock beyond that is stuck.
ANOTHER = 600.0


class Unavailable(Exception):
    """A broker cannot be had here; the text says why."""


def cache() -> Path:
    """The folder of everything that is installed, below the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "batonmq" / "peers"


def is_complete(folder: Path, version: str) -> bool:
    """Has this version been installed there to the end?"""
    mark = folder / MARK
    return mark.exists() and mark.read_text() == version


def complete(folder: Path, version: str) -> None:
    """What is there is whole: the next installation has nothing to do."""
    (folder / MARK).write_text(version)


@contextlib.contextmanager
def installing(folder: Path, within: float = ANOTHER) -> Iterator[None]:
    """One process at a time installs there; the others wait, and find it done, or give up: Unavailable."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + within
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        while not _is_locked(lock):
            if time.monotonic() > end:
                raise Unavailable(f"another process has been installing in {folder} for {within:.0f} s")
            time.sleep(0.05)  # the system would wait without end, or not at all
        yield


def _is_locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def step(what: str, command: Sequence[str], *, within: float, environment: Mapping[str, str] | None = None) -> str:
    """Run it and answer with what it printed; Unavailable when it fails, or takes longer than so many seconds."""
    if shutil.which(command[0]) is None:
        raise Unavailable(f"{what}: {command[0]} is not installed")
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
        text=True,
        errors="replace",
        start_new_session=True,  # so that everything that it starts can be ended with it
    )
    try:
        said, _ = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{what}: not done after {within:.0f} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    if process.returncode:
        lines = [line for line in said.splitlines() if line.strip()]
        told = next((line for line in lines if line.startswith(("[ERROR]", "E:"))), lines[-1] if lines else "no word")
        raise Unavailable(f"{what}: {told}")
    return said
