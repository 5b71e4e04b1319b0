"""Certificates for one test, made while it runs: a CA, and what it has signed for a server and for clients."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

from batonmq.server.config import TlsConfig

PASSPHRASE = "open sesame"


class Certificates:
    """A folder with `ca.pem`, and the server's `server.pem` and `server.key`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.ca_file))
        self.certificate = folder / "server.pem"
        self.key = folder / "server.key"
        self.passphrase_file = folder / "passphrase"
        self.passphrase_file.write_text(f"{PASSPHRASE}\n")
        self.make_server()

    def make_server(self, *, by: trustme.CA | None = None) -> None:
        """Another certificate and key in the place of what is there."""
        made = (by or self.ca).issue_cert("localhost", "127.0.0.1")
        self.certificate.write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
        self.key.write_bytes(made.private_key_pem.bytes())

    def encrypt_key(self, passphrase: str = PASSPHRASE) -> None:
        key = serialization.load_pem_private_key(self.key.read_bytes(), None)
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
        kind = serialization.PrivateFormat.PKCS8
        self.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, encryption))

    def config(self, **keys: object) -> TlsConfig:
        return TlsConfig(certificate=str(self.certificate), key=str(self.key), amqps_port=0, **keys)  # type: ignore[arg-type]

    def asking(self, client_certificates: str = "wanted", **keys: object) -> TlsConfig:
        """The configuration of a server that looks at certificates of clients."""
        return self.config(ca=str(self.ca_file), client_certificates=client_certificates, **keys)

    def client_file(
        self, *names: str, common_name: str | None = None, by: trustme.CA | None = None, is_expired: bool = False
    ) -> Path:
        """A client's key and certificate, in one file."""
        ends = datetime.now(UTC) - timedelta(days=1) if is_expired else None
        begins = datetime.now(UTC) - timedelta(days=2) if is_expired else None
        made = (by or self.ca).issue_cert(*names, common_name=common_name, not_before=begins, not_after=ends)
        path = self.folder / f"client-{common_name or names[0]}.pem"
        path.write_bytes(made.private_key_and_cert_chain_pem.bytes())
        return path

    def context(self, client: Path | None = None, *, ca: bool = True) -> ssl.SSLContext:
        """A client's, which trusts the CA, unless it shall not."""
        context = ssl.create_default_context(cafile=str(self.ca_file) if ca else None)
        if client is not None:
            context.load_cert_chain(client)
        return context
