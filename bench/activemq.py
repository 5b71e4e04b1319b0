"""An ActiveMQ Classic of our own, for the section `stomp`: its defaults, one stomp:// connector on the loopback."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from xml.sax.saxutils import quoteattr

from bench.brokers import Broker
from bench.failures import BenchError
from bench.stomp_client import Client

__all__ = ["ActiveMQ"]

JAR = Path("bin") / "activemq.jar"
DEBIAN = Path("/usr/share/activemq")
# As Debian's package starts it (activemq-options): memory that does not grow with the machine.
JAVA_OPTIONS = ("-Xms512M", "-Xmx512M", "-Dorg.apache.activemq.UseDedicatedTaskRunner=true")
# KahaDB as it is by default: a persistent message is on the disk when its receipt comes.
CONFIGURATION = """\
<beans xmlns="http://www.springframework.org/schema/beans" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
       xsi:schemaLocation="http://www.springframework.org/schema/beans
                           http://www.springframework.org/schema/beans/spring-beans.xsd
                           http://activemq.apache.org/schema/core
                           http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" brokerName="bench" useJmx="false" dataDirectory={data}>
    <persistenceAdapter><kahaDB directory={store}/></persistenceAdapter>
    <transportConnectors><transportConnector name="stomp" uri={uri}/></transportConnectors>
  </broker>
</beans>
"""


class ActiveMQ(Broker):
    """ActiveMQ with Debian's options for Java; everything that it writes is in its folder."""

    name = "ActiveMQ"

    @staticmethod
    def installed() -> Path | None:
        """Its home, where there is one: Debian's, or the one whose bin/activemq is in the path."""
        found = shutil.which("activemq")
        if found is None:
            return None
        homes = (DEBIAN, Path(found).resolve().parent.parent)
        return next((home for home in homes if (home / JAR).exists()), None)

    @classmethod
    def missing(cls) -> str | None:
        if cls.installed() is None:
            return "activemq is not installed"
        return None if shutil.which("java") else "java is not installed"

    def _launch(self) -> None:
        home, java = self.installed(), shutil.which("java")
        if home is None or java is None:
            raise BenchError(f"{self.name} did not start: {self.missing()}")
        folders = {name: self.folder / name for name in ("conf", "data", "tmp")}
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
        file = folders["conf"] / "activemq.xml"
        file.write_text(configuration(folders["data"], self.stomp_port))
        # The script around Java would leave its own process id, not the broker's.
        self._process = self._spawn(
            [
                java,
                *JAVA_OPTIONS,
                "-Djava.awt.headless=true",
                f"-Djava.io.tmpdir={folders['tmp']}",
                f"-Dactivemq.home={home}",
                f"-Dactivemq.base={self.folder}",
                f"-Dactivemq.conf={folders['conf']}",
                f"-Dactivemq.data={folders['data']}",
                "-jar",
                str(home / JAR),
                "start",
                f"xbean:{file.as_uri()}",
            ],
            {key: value for key, value in os.environ.items() if not key.startswith(("ACTIVEMQ_", "JAVA_"))},
        )

    def _answers(self) -> bool:
        try:
            with Client(self.stomp_port) as client:
                told = re.search(r"ActiveMQ/(\S+)", client.server)
        except OSError:
            return False
        self.version = told[1] if told else ""
        return True


def configuration(data: Path, port: int) -> str:
    """The text of an activemq.xml: STOMP on this port of the loopback, and nothing else."""
    uri = f"stomp://127.0.0.1:{port}"
    return CONFIGURATION.format(data=quoteattr(str(data)), store=quoteattr(str(data / "kahadb")), uri=quoteattr(uri))
