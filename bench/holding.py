"""Something idle that a broker holds: `holdload` makes it, and it is gone when that ends."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.failures import BenchError

__all__ = ["Held"]

ENDS = 120.0


class Held:
    """So many connections, channels, queues, consumers or bindings; a context manager."""

    def __init__(self, program: Path, port: int, what: str, count: int) -> None:
        """They are there when this returns; BenchError with the generator's complaint when they cannot be."""
        command = [str(program), f"port={port}", f"what={what}", f"count={count}", f"name=hold-{what}"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            _, complaint = self._process.communicate()
            raise BenchError(f"{program.name} {' '.join(command[1:])}: {complaint.strip()}")

    def close(self) -> None:
        """Let go: the connections are closed."""
        try:
            self._process.communicate(timeout=ENDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
