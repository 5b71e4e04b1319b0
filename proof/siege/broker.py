"""The broker that is besieged: with every listener, those with TLS included, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys

from bench.failures import BenchError
from bench.processes import PROC

from proof.soak.broker import Everything

__all__ = ["Besieged", "Work"]


class Work:
    """What the processors did for a process's threads until now, and how long those waited for one."""

    def __init__(self, pid: int) -> None:
        self.ran = self.waited = 0.0
        for thread in (PROC / str(pid) / "task").iterdir():
            try:
                ran, waited, _ = (thread / "schedstat").read_text().split()
            except (OSError, ValueError):
                continue  # it has ended; or the system does not count that
            self.ran += int(ran) / 1e9
            self.waited += int(waited) / 1e9


class Besieged(Everything):
    """`batonmq serve` with all that there is to attack."""

    @property
    def ports(self) -> dict[str, int]:
        """By the listener, as the attacks call it."""
        said = self.log.read_text(errors="replace")
        with_tls = dict(re.findall(r"(amqps|https)://\S+?:(\d+)", said))
        if set(with_tls) != {"amqps", "https"}:
            raise BenchError(f"no ports of TLS: {said}")
        return {
            "amqp": self.port,
            "stomp": self.stomp_port,
            "web": self.web_port,
            "http": self.management_port,
            "tls": int(with_tls["amqps"]),
            "https": int(with_tls["https"]),
        }

    def _flags(self) -> list[str]:
        folder = self.folder / "certificates"
        if not folder.exists():
            command = [sys.executable, "-m", "batonmq", "certificates", str(folder)]
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            if made.returncode:
                raise BenchError(f"no certificates: {made.stderr.strip()}")
        config = self.folder / "batonmq.toml"
        config.write_text(_CONFIG.format(certificate=folder / "server.pem", key=folder / "server-key.pem"))
        return [*super()._flags(), "--config", str(config)]


_CONFIG = """\
[tls]
certificate = "{certificate}"
key = "{key}"
amqps_port = 0
[stomp]
tls_port = "off"
[websocket]
tls_port = "off"
[management]
tls_port = 0
"""
