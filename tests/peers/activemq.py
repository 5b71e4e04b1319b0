"""Apache ActiveMQ Classic, from its jars: what its distribution holds beside them is scripts and examples."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from bench.brokers import free_ports

from tests.peers.cache import is_complete
from tests.peers.maven import fetch_jars, java, missing
from tests.peers.peer import Peer, amqp_answers

__all__ = ["ActiveMQ"]

VERSION = "6.3.1"
PACKAGES = (
    *(
        f"org.apache.activemq:activemq-{part}:{VERSION}"
        for part in ("broker", "kahadb-store", "amqp", "stomp", "spring", "console", "jaas")
    ),
    "org.springframework:spring-context:7.0.8",
    "org.apache.logging.log4j:log4j-slf4j2-impl:2.26.1",
    "org.apache.logging.log4j:log4j-core:2.26.1",
    "org.jolokia:jolokia-agent-jvm:2.6.0:javaagent",
)
# As a careful owner has it: delays and statistics on, dead letters of each queue in a queue of their own.
CONFIGURATION = """\
<beans xmlns="http://www.springframework.org/schema/beans" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
       xsi:schemaLocation="http://www.springframework.org/schema/beans
                           http://www.springframework.org/schema/beans/spring-beans.xsd
                           http://activemq.apache.org/schema/core
                           http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" brokerName="localhost" dataDirectory={data}
          schedulerSupport="true" useJmx="true">
    {tls}
    <managementContext><managementContext createConnector="false"/></managementContext>
    <destinationPolicy><policyMap><policyEntries>
      <policyEntry queue="&gt;" prioritizedMessages="true">
        <deadLetterStrategy>
          <individualDeadLetterStrategy queuePrefix="DLQ." useQueueForQueueMessages="true"
                                        processNonPersistent="true" processExpired="true"/>
        </deadLetterStrategy>
      </policyEntry>
    </policyEntries></policyMap></destinationPolicy>
    <persistenceAdapter><kahaDB directory={store}/></persistenceAdapter>
    <plugins>
      <simpleAuthenticationPlugin anonymousAccessAllowed="false"><users>
        <authenticationUser username="admin" password="admin" groups="admins"/>
      </users></simpleAuthenticationPlugin>
      <statisticsBrokerPlugin/>
    </plugins>
    <transportConnectors>
      <transportConnector name="amqp" uri="{scheme}://127.0.0.1:{port}?wireFormat.maxFrameSize=104857600"/>
    </transportConnectors>
  </broker>
</beans>
"""
TLS = """\
<sslContext><sslContext keyStore={store} keyStoreType="PKCS12" keyStorePassword="{password}"
                            trustStore={store} trustStoreType="PKCS12" trustStorePassword="{password}"/></sslContext>
"""
LOGGING = """\
status=error
rootLogger.level=info
rootLogger.appenderRef.s.ref=S
appender.s.type=Console
appender.s.name=S
appender.s.layout.type=PatternLayout
appender.s.layout.pattern=%d %p %m%n
"""


class ActiveMQ(Peer):
    """AMQP 1.0 on one port, its management by Jolokia on another."""

    name = "ActiveMQ Classic"
    key = "activemq"
    variable = "BATONMQ_TEST_ACTIVEMQ"
    user = password = "admin"

    def __init__(self, folder: Path, *, keystore: Path | None = None) -> None:
        super().__init__(folder)
        self.version = VERSION
        self.http = 0
        self.keystore = keystore
        """A key and its certificate (PKCS 12, with ``password``): it listens for TLS on ``port`` then."""

    @classmethod
    def install(cls) -> None:
        fetch_jars(PACKAGES, cls.home())

    @classmethod
    def missing(cls) -> str | None:
        return missing(cls.key, is_installed=is_complete(cls.home(), " ".join(PACKAGES)))

    @property
    def url(self) -> str:
        return self.url_of(self.user, self.password)

    def url_of(self, user: str, password: str) -> str:
        """Where this user finds it."""
        scheme = "activemq" if self.keystore is None else "activemqs"
        return f"{scheme}://{user}:{password}@127.0.0.1:{self.port}?jolokia={self.jolokia}"

    @property
    def jolokia(self) -> str:
        """Where its management is, for the same user."""
        return f"http://127.0.0.1:{self.http}/api/jolokia"

    def _launch(self) -> None:
        self._fresh_log()
        if not self.port:
            self.port, self.http = free_ports(2)
        data = self.folder / "data"
        file = self.folder / "activemq.xml"
        places = {
            "data": quoteattr(str(data)),
            "store": quoteattr(str(data / "kahadb")),
            "port": escape(str(self.port)),
            "scheme": "amqp" if self.keystore is None else "amqp+ssl",
            "tls": "",
        }
        if self.keystore is not None:
            places["tls"] = TLS.format(store=quoteattr(self.keystore.as_uri()), password=self.password)
        file.write_text(CONFIGURATION.format(**places))
        logging = self.folder / "log4j2.properties"
        logging.write_text(LOGGING)
        jars = sorted(self.home().glob("*.jar"))
        (agent,) = (jar for jar in jars if jar.name.startswith("jolokia-agent-jvm"))
        options = f"host=127.0.0.1,port={self.http},agentContext=/api/jolokia,user={self.user},password={self.password}"
        command = [java(), "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", f"-javaagent:{agent}={options}"]
        command += [f"-Dlog4j2.configurationFile={logging}", f"-Djava.io.tmpdir={self.folder}"]
        command += [f"-Dactivemq.home={self.folder}", f"-Dactivemq.base={self.folder}"]
        command += ["-cp", ":".join(str(jar) for jar in jars if "jolokia" not in jar.name)]
        command += ["org.apache.activemq.console.command.ShellCommand", "start", f"xbean:file:{file}"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("ACTIVEMQ_", "JAVA_"))}
        self._process = self._spawn(command, environment)

    def _answers(self) -> bool:
        if self.keystore is None:
            return amqp_answers(self.port)
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2.0).close()
        except OSError:
            return False
        return True
