"""The socket of a connection, as listings show it: its two ends, the terms of TLS, and its traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of a connection."""

    peer_host: str
    """The client's address, without brackets; "unknown" if it is not an Internet address."""
    peer_port: int
    host: str
    """Our address."""
    port: int

    @property
    def name(self) -> str:
        """The name of the connection, as RabbitMQ makes it: ``127.0.0.1:51234 -> 127.0.0.1:5672``."""
        return f"{_with_port(self.peer_host, self.peer_port)} -> {_with_port(self.host, self.port)}"


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The contents of a client's certificate. Names are written as in RFC 4514, the most specific part first."""

    subject: str
    issuer: str
    validity: str
    """Its validity, such as ``2026-01-01T00:00:00Z - 2027-01-01T00:00:00Z``."""
    serial_number: str
    """The serial number in hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class TlsTerms:
    """The outcome of a TLS handshake, by RabbitMQ's names."""

    protocol: str
    """The protocol, such as ``tlsv1.3``."""
    cipher: str
    """The cipher, such as ``aes_256_gcm``."""
    key_exchange: str
    """The key exchange, such as ``ecdhe_rsa``; ``any`` if the cipher suite does not name it, as in TLS 1.3."""
    hash: str
    """The hash, such as ``sha384``; ``aead`` if the cipher itself authenticates the data."""
    certificate: Certificate | None
    """The client's verified certificate; None: it has shown none."""


class Socket(Protocol):
    """The current state of a socket."""

    @property
    def ends(self) -> Ends:
        """Its two ends, which do not change."""

    @property
    def tls(self) -> TlsTerms | None:
        """The terms of TLS; None: there is no TLS."""

    @property
    def octets_received(self) -> int:
        """Octets received, without those of TLS."""

    @property
    def octets_sent(self) -> int:
        """Octets sent, without those of TLS."""

    @property
    def reads(self) -> int:
        """The number of reads."""

    @property
    def writes(self) -> int:
        """The number of writes."""

    @property
    def pending(self) -> int:
        """Octets that the system has not taken yet."""

    @property
    def is_held(self) -> bool:
        """Is reading stopped because the client publishes faster than consumers or the store can take?"""
