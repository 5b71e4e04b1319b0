"""Apache Kafka, one node that is broker and controller, with share groups."""

from __future__ import annotations

import base64
import os
import socket
import struct
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bench.brokers import free_ports
from bench.failures import BenchError

from tests.peers.cache import is_complete
from tests.peers.maven import fetch_jars, java, missing
from tests.peers.peer import Peer

__all__ = ["Kafka"]

VERSION = "4.4.0"
PACKAGES = (
    f"org.apache.kafka:kafka_2.13:{VERSION}",
    *(
        f"org.apache.kafka:kafka-{part}:{VERSION}"
        for part in ("tools", "server", "group-coordinator", "share-coordinator")
    ),
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5",
)
# Inner topics with one partition each, as one node needs them; leases as short as tests like them.
CONFIGURATION = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{more}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{more}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.share.min.record.lock.duration.ms=1000
"""
LOGGING = """\
status=error
rootLogger.level=warn
rootLogger.appenderRef.s.ref=S
appender.s.type=Console
appender.s.name=S
appender.s.layout.type=PatternLayout
appender.s.layout.pattern=[%d] %p %m (%c)%n
"""
FORMAT = 60.0
# ApiVersions, version 0, without a client's name: what every broker answers first.
ASKING = struct.pack(">ihhih", 10, 18, 0, 1, -1)


class Kafka(Peer):
    """Its data is formatted once, for a cluster of its own."""

    name = "Kafka"
    key = "kafka"
    variable = "BATONMQ_TEST_KAFKA"
    formatting: ClassVar[Sequence[str]] = ()
    """What else the command that formats its data is told."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.version = VERSION
        self.controller = 0

    @classmethod
    def install(cls) -> None:
        fetch_jars(PACKAGES, cls.home())

    @classmethod
    def missing(cls) -> str | None:
        return missing(cls.key, is_installed=is_complete(cls.home(), " ".join(PACKAGES)))

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}"

    def _launch(self) -> None:
        self._fresh_log()
        data, file = self.folder / "data", self.folder / "server.properties"
        if not self.port:
            self.port, self.controller = free_ports(2)
        file.write_text(self._configuration(data))
        (self.folder / "log4j2.properties").write_text(LOGGING)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("KAFKA_", "JAVA_"))}
        if not (data / "meta.properties").exists():
            self._format(file, environment)
        self._process = self._spawn(self._java("-Xmx384m", "kafka.Kafka", str(file)), environment)

    def _configuration(self, data: Path, more: str = "") -> str:
        """``more``: listeners beside the one without a log-in, each with a comma before it."""
        return CONFIGURATION.format(port=self.port, controller=self.controller, data=data, more=more)

    def _format(self, file: Path, environment: dict[str, str]) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # An argument that begins with a hyphen would be an option.
        command = self._java(
            "-Xmx128m",
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",
            "-c",
            str(file),
            *self.formatting,
        )
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, cwd=self.folder, timeout=FORMAT, check=False
            )
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self.name} did not start: no format of its data after {FORMAT:.0f} s") from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise BenchError(f"{self.name} did not start: {said[-1] if said else 'it said nothing'}")

    def _java(self, memory: str, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        return [java(), "-Xms96m", memory, "-XX:+UseSerialGC", logging, "-cp", f"{self.home()}/*", *arguments]

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2.0) as probe:
                probe.sendall(ASKING)
                return len(probe.recv(4)) == 4
        except OSError:
            return False
