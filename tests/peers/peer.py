"""What every broker for tests is: it can be installed, started, killed, started again on its data, and stopped."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from bench.brokers import Broker

from tests.peers.cache import cache

__all__ = ["Peer", "amqp_answers"]

SASL = b"AMQP\x03\x01\x00\x00"


class Peer(Broker):
    """A broker whose ports are the same after a restart; everything that it writes is in its folder."""

    key: ClassVar[str]
    """What it is called on command lines."""
    variable: ClassVar[str]
    """The environment variable that tells the tests its URL."""

    @classmethod
    def home(cls) -> Path:
        """Where it is installed."""
        return cache() / cls.key

    @classmethod
    @abstractmethod
    def install(cls) -> None:
        """Bring it into the cache, where it is not; Unavailable with the reason when that cannot be."""

    _is_bound = False

    def bind(self) -> None:
        """It dies with the thread that starts it, where the system can do that: a test may be killed in the middle."""
        self._is_bound = shutil.which("setpriv") is not None

    def _spawn(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        if self._is_bound:
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        return super()._spawn(command, environment)

    def kill(self) -> None:
        """SIGKILL to it and to whatever it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        super().kill()

    def _fresh_log(self) -> None:
        """What an earlier run has printed says nothing about this one."""
        if self.log.exists():
            self.log.rename(self.log.with_name(f"output-{sum(1 for _ in self.folder.glob('output-*')) + 1}"))


def amqp_answers(port: int) -> bool:
    """Does whoever listens there answer the header of AMQP 1.0's SASL (section 5.3.1)?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2.0) as probe:
            probe.sendall(SASL)
            return probe.recv(len(SASL)) == SASL
    except OSError:
        return False
