"""Apache Qpid Broker-J, from its binary distribution."""

from __future__ import annotations

import json
import os
from pathlib import Path

from bench.brokers import free_ports

from tests.peers.cache import is_complete
from tests.peers.maven import java, missing, unpack
from tests.peers.peer import Peer, amqp_answers

__all__ = ["Qpid"]

VERSION = "9.2.1"
PACKAGE = f"org.apache.qpid:apache-qpid-broker-j:{VERSION}:tar.gz:bin"
# Instead of 30,000 ms: how often it looks for what has expired. The tests wait for that.
SCAN = "500"
# What it prints when everything listens.
READY = "BRK-1004"


class Qpid(Peer):
    """AMQP 1.0 on one port; a virtual host whose messages are in files (BDB), and nothing else of its plugins."""

    name = "Qpid Broker-J"
    key = "qpid"
    variable = "BATONMQ_TEST_QPID"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.version = VERSION

    @classmethod
    def install(cls) -> None:
        unpack(PACKAGE, cls.home())

    @classmethod
    def missing(cls) -> str | None:
        return missing(cls.key, is_installed=is_complete(cls.home(), PACKAGE))

    @property
    def url(self) -> str:
        return self.url_of(self.user, self.password)

    def url_of(self, user: str, password: str) -> str:
        """Where this user finds it."""
        return f"amqp10://{user}:{password}@127.0.0.1:{self.port}/"

    def _launch(self) -> None:
        self._fresh_log()
        work = self.folder / "work"
        initial = self.folder / "initial.json"
        if not self.port:
            (self.port,) = free_ports(1)
            work.mkdir()
            initial.write_text(json.dumps(self._configuration()))
        jars = self.home() / "qpid-broker" / VERSION / "lib" / "*"
        options = ["-XX:+UseSerialGC", "-Xms64M", "-Xmx400M", "-XX:MaxDirectMemorySize=200M", "-cp", str(jars)]
        options += [f"-Dqpid.work_dir={work}", f"-Dvirtualhost.housekeepingCheckPeriod={SCAN}"]
        command = [java(), *options, "org.apache.qpid.server.Main", "--initial-config-path", str(initial)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("QPID_", "JAVA_"))}
        self._process = self._spawn(command, environment)

    def _answers(self) -> bool:
        return READY in self.log.read_text(errors="replace") and amqp_answers(self.port)

    def _configuration(self) -> dict[str, object]:
        """What it begins with; later starts have it in its work folder."""
        users = [{"name": self.user, "type": "managed", "password": self.password}]
        # Passwords in clear: nothing here leaves the machine.
        login = {"name": "users", "type": "Plain", "secureOnlyMechanisms": [], "users": users}
        aliases = [{"name": f"{kind}Alias", "type": f"{kind}Alias"} for kind in ("name", "default", "hostname")]
        port = {
            "name": "AMQP",
            "port": str(self.port),
            "bindingAddress": "127.0.0.1",
            "authenticationProvider": "users",
            "protocols": ["AMQP_1_0"],
            "virtualhostaliases": aliases,
        }
        node = {
            "name": "default",
            "type": "BDB",
            "defaultVirtualHostNode": "true",
            "virtualHostInitialConfiguration": json.dumps({"type": "BDB"}),
        }
        return {
            "name": "qpid",
            "modelVersion": "9.1",
            "authenticationproviders": [login],
            "ports": [port],
            "virtualhostnodes": [node],
        }
