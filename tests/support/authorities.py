"""Certificates that a test makes, as files."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

if TYPE_CHECKING:
    from batonmq.cli.authority import Authority, Issued

__all__ = ["Certificates", "Files"]

DAYS = 10


@dataclass(frozen=True)
class Files:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Certificates:
    """A CA of its own, for a folder of its own; skips the test where the library for it is not installed."""

    def __init__(self, folder: Path, *, days_ago: int = 0) -> None:
        pytest.importorskip("cryptography", reason="certificates need `pip install 'batonmq[certificates]'`")
        from batonmq.cli.authority import Authority

        self._folder = folder
        folder.mkdir()
        self._authority: Authority = Authority("Test CA", DAYS, now=datetime.now(UTC) - timedelta(days=days_ago))
        self.ca = self._put("ca", self._authority.own).certificate
        self._made = 0

    def server(self, *names: str) -> Files:
        """For a broker of these names."""
        return self._put(f"server-{self._next()}", self._authority.server(names))

    def client(self, user: str, passphrase: str | None = None) -> Files:
        """For a user's client."""
        return self._put(f"client-{self._next()}", self._authority.client(user, passphrase))

    def context(self, *names: str, verify: ssl.VerifyMode = ssl.CERT_NONE) -> ssl.SSLContext:
        """For a listener of these names; clients' certificates are to be of the same CA."""
        files = self.server(*names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        context.load_verify_locations(self.ca)
        context.verify_mode = verify
        return context

    def query(self, client: Files | None = None, **more: object) -> str:
        """Of a URL: trust the CA, and show a client's certificate."""
        options: dict[str, object] = {"cacertfile": self.ca}
        if client is not None:
            options |= {"certfile": client.certificate, "keyfile": client.key}
        return urlencode(options | more)

    def _next(self) -> int:
        self._made += 1
        return self._made

    def _put(self, name: str, issued: Issued) -> Files:
        files = Files(self._folder / f"{name}.pem", self._folder / f"{name}-key.pem")
        files.certificate.write_bytes(issued.certificate)
        files.key.write_bytes(issued.key)
        return files
