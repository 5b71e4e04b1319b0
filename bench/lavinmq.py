"""A LavinMQ of our own: its defaults, all its ports on the loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pika
import pika.exceptions

from bench.brokers import Broker, free_ports
from bench.failures import BenchError

__all__ = ["LavinMQ", "configuration"]

# What it listens on beside AMQP cannot all be switched off: each gets a port that was free.
CONFIGURATION = """\
[main]
data_dir = {data}
log_level = warn
metrics_http_port = {metrics}

[amqp]
bind = 127.0.0.1
port = {amqp}
tls_port = -1

[mgmt]
bind = 127.0.0.1
port = {http}
tls_port = -1

[mqtt]
bind = 127.0.0.1
port = {mqtt}
tls_port = -1
"""


class LavinMQ(Broker):
    """LavinMQ 2; everything that it writes is in its folder, but for the socket of its own control program."""

    name = "LavinMQ"

    @staticmethod
    def installed() -> Path | None:
        """The program, where there is one in the path."""
        found = shutil.which("lavinmq")
        return Path(found) if found else None

    @classmethod
    def missing(cls) -> str | None:
        return None if cls.installed() else "lavinmq is not installed"

    def _launch(self) -> None:
        program = self.installed()
        if program is None:
            raise BenchError(f"{self.name} did not start: {self.missing()}")
        self.port, *others = free_ports(4)
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        file = self.folder / "lavinmq.ini"
        file.write_text(configuration(data, self.port, *others))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("LAVINMQ_")}
        self._process = self._spawn([str(program), f"--config={file}"], environment)

    def _answers(self) -> bool:
        parameters = pika.URLParameters(self.url)
        parameters.socket_timeout = parameters.blocked_connection_timeout = 10.0
        try:
            connection = pika.BlockingConnection(parameters)
        except pika.exceptions.AMQPError:
            return False
        with contextlib.closing(connection):
            properties = connection._impl.server_properties  # noqa: SLF001 - pika has no public face of it
            self.version = str((properties or {}).get("version", ""))
        return True


def configuration(data: Path, amqp: int, http: int, mqtt: int, metrics: int) -> str:
    """The text of a lavinmq.ini: these ports of the loopback, and no TLS."""
    return CONFIGURATION.format(data=data, amqp=amqp, http=http, mqtt=mqtt, metrics=metrics)
