"""`python -m proof.power.sharing FOLDER NOTES SEED COUNT KILLS`: programs on one file, each noting what it does.

The one that came first has the file, the others are its guests, and one of these has it next. So many of them are
killed, each between two things that happen: what a process has written, its notes tell. Faults are printed.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import batonmq
from proof.crash.processes import end_with_the_parent
from proof.disk import Disk
from proof.platter import Event
from proof.power.clients import Run
from proof.power.opened import NOTHING_YET, STORE, Heard
from proof.power.programs import THREADS
from proof.power.promises import Ledger

__all__ = ["happened", "main"]

AT_ONCE = 3
# A process that is to be killed is after so many things that it did or was told.
SHORTEST, LONGEST = 20, 300
SUFFIX = ".events"


class _Notes:
    """What one process does to the disk, asks for and is told, with the time of all processes of a machine."""

    def __init__(self, file: Path, most: int) -> None:
        """``most``: the process is killed after so many; 0: it is not."""
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._left = most
        self._lock = threading.Lock()
        self.disk: Disk

    def append(self, event: Event) -> None:
        """That happened next. From any thread."""
        with self._lock:
            os.write(self._file, pickle.dumps((time.monotonic_ns(), event)))
            self._left -= 1
            is_last = not self._left
        if is_last:
            # No other thread has done what it has not noted.
            with self.disk.lock, self._lock:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()


def happened(folder: Path) -> list[Event]:
    """The notes of all processes, in the order of what they tell."""
    found = [timed for file in sorted(folder.glob(f"*{SUFFIX}")) for timed in _read(file)]
    found.sort(key=lambda timed: timed[0])
    return [event for _, event in found]


def _read(file: Path) -> Iterator[tuple[int, Event]]:
    with file.open("rb") as notes:
        while True:
            try:
                yield pickle.load(notes)
            except EOFError:
                return


def _take_part(folder: Path, notes: _Notes, process: int, seed: str, count: int) -> list[str]:
    """Do all that a program does with the file; tells what was wrong."""
    faults: list[str] = []
    heard = Heard()
    ledger = Ledger(notes.append)

    def work(name: str) -> None:
        run = Run(f"{name}{process}", None, ledger, random.Random(f"{seed} {name}"), count, process)
        try:
            THREADS[name](run, mq)
        except Exception as error:  # noqa: BLE001 (whatever ends a client is a fault of the run)
            faults.append(f"the client {run.name} ended: {error!r}")

    with heard.listening(), Disk(folder, notes, process=process) as disk:
        notes.disk = disk
        with batonmq.connect(folder / STORE) as mq:
            threads = [threading.Thread(target=work, args=(name,), name=name) for name in THREADS]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    # Who began the file may have been killed before there was anything in it. What was promised, a cut tells.
    return faults + [line for line in heard.lines if not line.endswith(NOTHING_YET)]


def _fork(folder: Path, notes: Path, process: int, seed: str, count: int, most: int) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        end_with_the_parent()
        faults = _take_part(folder, _Notes(notes / f"{process}{SUFFIX}", most), process, seed, count)
        for fault in faults:
            print(f"program {process}: {fault}".replace("\n", " "))
        sys.stdout.flush()
        status = 0
    except BaseException as error:  # noqa: BLE001 (nothing may go on as the parent's copy)
        print(f"program {process} failed: {error!r}", flush=True)
    finally:
        os._exit(status)


def _begun(notes: Path, child: int) -> None:
    """Wait until a process has noted something, or is over: alone with the file, it has it."""
    ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while not (notes.exists() and notes.stat().st_size) and os.waitid(os.P_PID, child, ended) is None:
        time.sleep(0.005)


def main(arguments: list[str]) -> int:
    """The exit status: 0; 1 when a program failed."""
    folder, notes = map(Path, arguments[:2])
    seed, count, kills = map(int, arguments[2:])
    chance = random.Random(f"{seed} programs")
    living: set[int] = set()
    process = failed = 0
    while process < AT_ONCE + kills or living:
        while process < AT_ONCE + kills and len(living) < AT_ONCE:
            process += 1
            most = chance.randint(SHORTEST, LONGEST) if process <= kills else 0
            child = _fork(folder, notes, process, f"{seed} {process}", count, most)
            living.add(child)
            if process == 1 and kills:
                # The first is one of those that are killed: so the file has several owners, one after another.
                _begun(notes / f"{process}{SUFFIX}", child)
        ended, status = os.wait()
        living.discard(ended)
        failed |= os.WIFEXITED(status) and os.WEXITSTATUS(status)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
