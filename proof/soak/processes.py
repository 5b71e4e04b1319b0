"""The processes that share a file of queues in a soak: two that stay, and others that come and go."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Self

from bench.failures import BenchError
from bench.settings import ROOT

from proof.soak.stage import Stage

__all__ = ["Movers"]

STOP = 60.0
COMERS = 2


class Movers:
    """A context manager: no process outlives it."""

    def __init__(self, file: Path, source: str, target: str, log: Path) -> None:
        self._command = [sys.executable, "-m", "proof.soak.mover", str(file), source, target]
        self._log = log
        self._all: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            process.kill()
        for process in self._all:
            self._reap(process)

    def begin(self) -> subprocess.Popen[bytes]:
        """One more, which has the file open when this returns."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._all.append(process)
        assert process.stdout is not None
        if process.stdout.readline() != b"moves\n":
            raise BenchError(f"a process that moves messages did not begin; it says why in {self._log}")
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """It leaves in order."""
        process.terminate()
        process.wait(STOP)
        self._all.remove(process)
        self._reap(process)
        if process.returncode:
            raise BenchError(f"a process that moves messages ended with {process.returncode}; see {self._log}")

    def come_and_go(self, stage: Stage, chance: random.Random) -> None:
        """Others beside those that stay, each for some seconds."""
        while not stage.over.is_set():
            with stage.coming.passed() as goes:
                if not goes:
                    return
                others = [self.begin() for _ in range(chance.randrange(1, COMERS + 1))]
                stage.over.wait(chance.uniform(1.0, 5.0))
                for process in others:
                    self.end(process)
            stage.over.wait(chance.uniform(0.5, 3.0))

    @staticmethod
    def _reap(process: subprocess.Popen[bytes]) -> None:
        process.wait(STOP)
        assert process.stdout is not None
        process.stdout.close()
