"""The socket of a connection, as listings show it: its two ends, what TLS agreed on, and what went over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a connection comes from, and where it goes to."""

    peer_host: str
    """The client's address, without brackets; "unknown" for what is not an Internet address."""
    peer_port: int
    host: str
    """Ours."""
    port: int

    @property
    def name(self) -> str:
        """The name of the connection, as RabbitMQ makes it: ``127.0.0.1:51234 -> 127.0.0.1:5672``."""
        return f"{_with_port(self.peer_host, self.peer_port)} -> {_with_port(self.host, self.port)}"


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a client's certificate says. Names are written as in RFC 4514, the most particular part first."""

    subject: str
    issuer: str
    validity: str
    """From when and until when, as ``2026-01-01T00:00:00Z - 2027-01-01T00:00:00Z``."""
    serial_number: str
    """In hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class TlsTerms:
    """What a TLS handshake has come to, in RabbitMQ's words."""

    protocol: str
    """Such as ``tlsv1.3``."""
    cipher: str
    """Such as ``aes_256_gcm``."""
    key_exchange: str
    """Such as ``ecdhe_rsa``; ``any`` where the cipher suite does not say, as in TLS 1.3."""
    hash: str
    """Such as ``sha384``; ``aead`` where the cipher itself authenticates what it carries."""
    certificate: Certificate | None
    """The client's, which was verified; None: it has shown none."""


class Socket(Protocol):
    """A socket, as it is now."""

    @property
    def ends(self) -> Ends:
        """Its two ends, which do not change."""

    @property
    def tls(self) -> TlsTerms | None:
        """What TLS agreed on; None: it has none."""

    @property
    def octets_received(self) -> int:
        """Octets that came, without those of TLS."""

    @property
    def octets_sent(self) -> int:
        """Octets that were sent, without those of TLS."""

    @property
    def reads(self) -> int:
        """How often something came."""

    @property
    def writes(self) -> int:
        """How often something was sent."""

    @property
    def pending(self) -> int:
        """Octets that the system has not taken yet."""

    @property
    def is_held(self) -> bool:
        """Is it not read for now, as the client publishes faster than consumers or the store can take?"""
