"""An ActiveMQ Artemis of our own, for the section `amqp10`: its defaults, one acceptor for AMQP on the loopback."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from bench.brokers import Broker, free_ports
from bench.failures import BenchError

__all__ = ["Artemis"]

JAR = Path("lib") / "artemis-boot.jar"
CREATE = 120.0
# What it prints when everything listens, with its version.
READY = re.compile(r"AMQ221001: .*?version (\S+)")


class Artemis(Broker):
    """An instance with the options that `artemis create` gives it; everything that it writes is in its folder."""

    name = "Artemis"

    @staticmethod
    def installed() -> Path | None:
        """Its home, where there is one: that of the `artemis` in the path."""
        found = shutil.which("artemis")
        home = Path(found).resolve().parent.parent if found else None
        return home if home is not None and (home / JAR).exists() else None

    @classmethod
    def missing(cls) -> str | None:
        if cls.installed() is None:
            return "artemis is not installed"
        return None if shutil.which("java") else "java is not installed"

    def _launch(self) -> None:
        home = self.installed()
        if home is None:
            raise BenchError(f"{self.name} did not start: {self.missing()}")
        instance = self.folder / "instance"
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("ARTEMIS_", "JAVA_"))}
        if not instance.exists():
            self.port, http = free_ports(2)
            self._create(home, instance, http, environment)
        # The script becomes Java: the process id is the broker's.
        self._process = self._spawn([str(instance / "bin" / "artemis"), "run"], environment)

    def _create(self, home: Path, instance: Path, http: int, environment: dict[str, str]) -> None:
        options = ["--silent", "--user", self.user, "--password", self.password, "--require-login"]
        options += ["--host", "127.0.0.1", "--http-host", "127.0.0.1", "--http-port", str(http)]
        options += ["--default-port", str(self.port), "--no-amqp-acceptor", "--no-stomp-acceptor"]
        options += ["--no-hornetq-acceptor", "--no-mqtt-acceptor", "--nio"]
        command = [str(home / "bin" / "artemis"), "create", str(instance), *options]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, cwd=self.folder, timeout=CREATE, check=False
            )
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self.name} did not start: no instance after {CREATE:.0f} s") from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise BenchError(f"{self.name} did not start: {said[-1] if said else 'it said nothing'}")

    def _answers(self) -> bool:
        printed = READY.search(self.log.read_text(errors="replace"))
        if printed:
            self.version = printed[1]
        return printed is not None
