"""Apache Artemis, from its binary distribution."""

from __future__ import annotations

import re
from pathlib import Path

from bench import artemis

from tests.peers.cache import is_complete
from tests.peers.maven import missing, unpack
from tests.peers.peer import Peer, amqp_answers

__all__ = ["Artemis"]

VERSION = "2.56.0"
PACKAGE = f"org.apache.artemis:apache-artemis:{VERSION}:tar.gz:bin"
SCAN = "<message-expiry-scan-period>500</message-expiry-scan-period>\n      "
# Who may send and receive, but not manage.
LIMITED, PASSWORD = "limited", "sesame"


class Artemis(Peer, artemis.Artemis):
    """An instance with its defaults, AMQP and whatever else it speaks on one port, and a user ``limited`` beside admin.

    ``limited`` may do everything with queues but manage the broker.
    """

    key = "artemis"
    variable = "BATONMQ_TEST_ARTEMIS"
    user = password = "admin"
    limited = (LIMITED, PASSWORD)

    def __init__(self, folder: Path, *, certificate: Path | None = None) -> None:
        super().__init__(folder)
        self.certificate = certificate
        """A file with a key and its certificate: it listens for TLS on ``port`` then."""

    @classmethod
    def install(cls) -> None:
        unpack(PACKAGE, cls.home())

    @classmethod
    def installed(cls) -> Path | None:
        return cls.home() / f"apache-artemis-{VERSION}" if is_complete(cls.home(), PACKAGE) else None

    @classmethod
    def missing(cls) -> str | None:
        return missing(cls.key, is_installed=cls.installed() is not None)

    @property
    def url(self) -> str:
        return self.url_of(self.user, self.password)

    def url_of(self, user: str, password: str) -> str:
        """Where this user finds it."""
        scheme = "artemis" if self.certificate is None else "artemiss"
        return f"{scheme}://{user}:{password}@127.0.0.1:{self.port}"

    def _launch(self) -> None:
        self._fresh_log()
        super()._launch()

    def _create(self, home: Path, instance: Path, http: int, environment: dict[str, str]) -> None:
        super()._create(home, instance, http, environment)
        etc = instance / "etc"
        with (etc / "artemis-users.properties").open("a") as users:
            users.write(f"\n{LIMITED} = {PASSWORD}\n")
        with (etc / "artemis-roles.properties").open("a") as roles:
            roles.write(f"\n{LIMITED} = {LIMITED}\n")
        text = (etc / "broker.xml").read_text()
        # The role of those who may use whatever queue there is; for managing there are entries of their own.
        matched, rest = text.split('<security-setting match="activemq.management.#">')
        matched = matched.replace('roles="amq"', f'roles="amq,{LIMITED}"')
        text = matched + '<security-setting match="activemq.management.#">' + rest
        # Instead of 30 s: the tests wait for what expires.
        text = text.replace("<persistence-enabled>", f"{SCAN}<persistence-enabled>", 1)
        if self.certificate is not None:
            options = f"sslEnabled=true;keyStoreType=PEM;keyStorePath={self.certificate};"
            text = re.sub(r"(<acceptor name=\"artemis\">[^<?]*\?)", rf"\g<1>{options}", text)
        (etc / "broker.xml").write_text(text)
        profile = etc / "artemis.profile"
        small = re.sub(r"-Xms\w+ -Xmx\w+", "-Xms96M -Xmx512M", profile.read_text())
        profile.write_text(small.replace("-XX:+UseParallelGC", "-XX:+UseSerialGC"))

    def _answers(self) -> bool:
        return super()._answers() and (self.certificate is not None or amqp_answers(self.port))
