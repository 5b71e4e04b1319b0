"""Section `tls`: what TLS costs the broker: AMQP 0-9-1 with TLS 1.3 beside the same load without."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import beside, load
from bench.brokers import Baton
from bench.failures import BenchError
from bench.report import Figure, Section
from bench.settings import Settings
from bench.tunnel import Tunnel

__all__ = ["SCENARIOS", "BatonTls", "Plain", "Scenario", "run"]


class Plain(Baton):
    """The broker without TLS."""

    name = "without TLS"


class BatonTls(Baton):
    """The broker with TLS. The load generator reaches it through a tunnel, whose work is not the broker's."""

    name = "with TLS 1.3"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._tunnel: Tunnel | None = None

    def _flags(self) -> list[str]:
        certificates = self.folder / "certificates"
        if not certificates.exists():
            made = subprocess.run(
                [sys.executable, "-m", "batonmq", "certificates", str(certificates)],
                capture_output=True,
                text=True,
                check=False,
            )
            if made.returncode:
                raise BenchError(f"no certificates: {made.stderr.strip()}")
        config = self.folder / "batonmq.toml"
        files = {"certificate": certificates / "server.pem", "key": certificates / "server-key.pem"}
        lines = [f'{key} = "{path}"' for key, path in files.items()]
        config.write_text("\n".join(["[tls]", "amqps_port = 0", 'min_version = "1.3"', *lines, ""]))
        return [*super()._flags(), "--config", str(config)]

    def _answers(self) -> bool:
        printed = re.search(r"amqps://\S+:(\d+)", self.log.read_text(errors="replace"))
        if printed is None or not super()._answers():
            return False
        if self._tunnel is None:
            self._tunnel = Tunnel(int(printed[1]), self.folder / "certificates" / "ca.pem")
        self.port = self._tunnel.port
        return True

    def stop(self) -> None:
        """Stop the tunnel, and the broker."""
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None
        super().stop()


@dataclass(frozen=True, slots=True)
class Scenario(beside.Scenario):
    """One way of loading a broker; there is nothing to reach: TLS costs what it costs."""

    def figures(self) -> list[Figure]:
        """What comes out, empty."""
        return [Figure(self.name, "msg/s"), Figure(f"{self.name}: broker CPU", "us/msg")]


SCENARIOS: Sequence[Scenario] = (
    Scenario("not persistent, 16 B", 400_000, 20_000),
    Scenario("not persistent, 1 KiB", 200_000, 10_000, 1024),
    Scenario("persistent, window 1000, 16 B", 200_000, 20_000, persistent=True, window=1000),
    Scenario("persistent, window 1000, 1 KiB", 100_000, 10_000, 1024, persistent=True, window=1000),
)


def run(settings: Settings) -> Section:
    """Measure the broker beside itself."""
    program = load.build(settings.programs)
    section = Section("AMQP 0-9-1 with TLS: one producer, one consumer, a queue", BatonTls.name, Plain.name)
    section.notes.append(
        "the client's side of TLS is a tunnel in Python, which limits the rate: CPU is the broker's alone"
    )
    brokers = [BatonTls(settings.folder / "tls-with"), Plain(settings.folder / "tls-without")]
    beside.compare(section, brokers, SCENARIOS, program, settings)
    return section
