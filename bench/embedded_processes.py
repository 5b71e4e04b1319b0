"""Several processes on one file: producers that send one message at a time, consumers that settle one at a time.

    python -m bench.embedded_processes PEER FOLDER send|take COUNT

is one of these processes, which `measure` starts: it says "ready", waits for a line, works, and says how many it took.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from bench.embedded_peers import PEERS
from bench.failures import BenchError
from bench.settings import ROOT

__all__ = ["CONSUMERS", "PRODUCERS", "measure"]

PRODUCERS = CONSUMERS = 2
IDLE = 0.001
# A consumer ends when nothing has come for so long, which is no part of the time that is measured.
PATIENCE = 3.0
LIMIT = 300.0


def measure(name: str, folder: Path, messages: int) -> float:
    """Messages a second from the first send to the last settlement; BenchError when not all arrive."""
    share = messages // PRODUCERS
    roles = [("take", 0)] * CONSUMERS + [("send", share)] * PRODUCERS
    # The file is made by one: not every peer can make it twice at once.
    with closing(next(kind for kind in PEERS if kind.name == name)(folder)):
        pass
    workers: list[subprocess.Popen[str]] = []
    try:
        for role, count in roles:
            command = [sys.executable, "-m", "bench.embedded_processes", name, str(folder), role, str(count)]
            workers.append(
                subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
        for worker in workers:
            assert worker.stdout is not None
            if worker.stdout.readline() != "ready\n":
                raise BenchError(f"{name}: a process of {PRODUCERS + CONSUMERS} on one file did not start")
        began = time.monotonic()
        said = [_answer(worker, name) for worker in _told(workers)]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    taken, last = sum(count for count, _ in said), max(moment for _, moment in said)
    if taken < share * PRODUCERS:
        raise BenchError(f"{name}: {taken} of {share * PRODUCERS} messages arrived")
    return taken / (last - began)


def _told(workers: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """All are told to begin before the first is asked; consumers are those of them that count."""
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return workers


def _answer(worker: subprocess.Popen[str], name: str) -> tuple[int, float]:
    try:
        text, _ = worker.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{name}: several processes on one file are not done after {LIMIT:.0f} s") from None
    count, _, moment = text.strip().partition(" ")
    if worker.returncode or not moment:
        raise BenchError(f"{name}: a process of {PRODUCERS + CONSUMERS} on one file failed")
    return int(count), float(moment)


def _work(name: str, folder: Path, role: str, count: int) -> None:
    kind = next(kind for kind in PEERS if kind.name == name)
    with closing(kind(folder)) as peer:
        print("ready", flush=True)
        sys.stdin.readline()
        taken, last = 0, time.monotonic()
        for _ in range(count):
            peer.send()
        while role == "take" and time.monotonic() - last < PATIENCE:
            if peer.take():
                taken, last = taken + 1, time.monotonic()
            else:
                time.sleep(IDLE)  # none of the others can wait for a message but by asking
        print(taken, last, flush=True)


if __name__ == "__main__":
    _work(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
