"""The broker that is soaked: with every listener, in a process of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.brokers import Baton, free_ports
from bench.settings import ROOT

__all__ = ["Everything"]


class Everything(Baton):
    """`batonmq serve` with STOMP, WebSocket and management on ports of their own."""

    def __init__(self, folder: Path, planted: str = "") -> None:
        """``planted``: the faults that it has, of `proof.planted`."""
        super().__init__(folder, stomp=True)
        if planted:
            self.program = ("proof.planted", planted)
        self.web_port, self.management_port = free_ports(2)

    @property
    def store(self) -> Path:
        """Its file of messages."""
        return self.folder / "data" / "batonmq.db"

    @property
    def amqp10_url(self) -> str:
        """Where BatonMQ's API finds it over AMQP 1.0."""
        return self.url.replace("amqp:", "amqp10:", 1)

    def _spawn(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        # What plants faults is no part of what is installed.
        return super()._spawn(command, {**environment, "PYTHONPATH": str(ROOT)})

    def _flags(self) -> list[str]:
        ports = ["--websocket-port", str(self.web_port), "--management-port", str(self.management_port)]
        return [*super()._flags(), *ports]
