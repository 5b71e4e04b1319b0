"""Apache Kafka that asks who is there, with TLS and without, and lets its administrators say who may do what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bench.brokers import free_ports
from cryptography.hazmat.primitives import serialization

from tests.peers.kafka import Kafka
from tests.support.certificates import Certificates

__all__ = ["PASSWORD", "USER", "SecuredKafka"]

USER, PASSWORD = "alice", "wonder land"
# Whoever comes to the listener without a log-in is an administrator; what no rule is about, everybody may do.
CONFIGURATION = """\
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,\
SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
"""
MODULES = "org.apache.kafka.common.security"
LOG_INS = """\
listener.name.{listener}.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required user_{user}="{password}";
listener.name.{listener}.scram-sha-256.sasl.jaas.config={modules}.scram.ScramLoginModule required;
listener.name.{listener}.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
"""


class SecuredKafka(Kafka):
    """``port`` wants no log-in, ``sasl_port`` does, and ``tls_port`` does over TLS."""

    formatting: ClassVar[Sequence[str]] = tuple(
        argument
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        for argument in ("--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]")
    )

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.certificates = Certificates(folder / "certificates")
        self.sasl_port = self.tls_port = 0

    def _configuration(self, data: Path, more: str = "") -> str:
        if not self.sasl_port:
            self.sasl_port, self.tls_port = free_ports(2)
        more += f",SASL_PLAINTEXT://127.0.0.1:{self.sasl_port},SASL_SSL://127.0.0.1:{self.tls_port}"
        rules = "".join(
            LOG_INS.format(listener=listener, modules=MODULES, user=USER, password=PASSWORD)
            for listener in ("sasl_plaintext", "sasl_ssl")
        )
        return super()._configuration(data, more) + CONFIGURATION.format(keystore=self._keystore()) + rules

    def _keystore(self) -> Path:
        """The key in PKCS 8, which is all that Kafka reads, with the certificate."""
        key = serialization.load_pem_private_key(self.certificates.key.read_bytes(), None)
        octets = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        found = self.folder / "keystore.pem"
        found.write_bytes(octets + self.certificates.certificate.read_bytes())
        return found
