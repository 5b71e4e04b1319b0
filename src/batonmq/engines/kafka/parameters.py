"""The parameters in a URL: Kafka's brokers, the log-in, TLS, and the options of new queues.

``kafka://user:password@host:9092,other:9092?partitions=1&replication=3&lock=60``; TLS with ``kafka+ssl://``.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from batonmq.engines.tls import TLS_NAMES, TlsTerms, tls_terms
from batonmq.engines.urls import check_octets

__all__ = ["KafkaParameters", "kafka_parameters"]

PORT: Final = 9092
SCHEMES: Final = {"kafka": False, "kafka+ssl": True}
MECHANISMS: Final = {name.lower(): name for name in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")}
# The client below goes by the broker's own name.
TLS_OPTIONS: Final = TLS_NAMES - {"server_name_indication"}
MECHANISM: Final = "auth_mechanism"
# The least and the most of each number.
NUMBERS: Final = {
    "partitions": (1, 10_000),
    "replication": (1, 1_000),
    "lock": (1, 3_600),
    "batch": (1, 1_000_000),
    "timeout": (1, 3_600),
}


@dataclass(frozen=True, slots=True)
class KafkaParameters:
    """Where and how to connect, and the options of new queues."""

    servers: list[tuple[str, int]]
    user: str | None
    password: str = field(repr=False)
    mechanism: str
    """'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512'; of no meaning without a user."""
    tls: TlsTerms | None
    files: dict[str, str] = field(repr=False)
    """The TLS options of the URL."""
    partitions: int = 1
    """The partitions of a declared queue."""
    replication: int | None = None
    """How many brokers hold each; None: as many as the cluster's default says."""
    lock: int | None = None
    """Seconds for which a message of a declared queue may be held; None: the broker's default."""
    batch: int = 1
    """The most messages in one batch, which the broker gives to one receiver as a whole."""
    timeout: int = 30
    """Seconds after which an unconfirmed message is given up."""

    @property
    def where(self) -> str:
        """The named brokers, for error texts."""
        return ", ".join(f"{host}:{port}" for host, port in self.servers)

    def client(self) -> dict[str, str | int | float]:
        """The settings of confluent-kafka for this connection."""
        secured = ("SASL_" if self.user is not None else "") + ("SSL" if self.tls is not None else "PLAINTEXT")
        settings: dict[str, str | int | float] = {
            "bootstrap.servers": ",".join(f"{_bracketed(host)}:{port}" for host, port in self.servers),
            "security.protocol": secured,
            "client.id": "batonmq",
            # Requests are small, and each is awaited.
            "socket.nagle.disable": True,
            "socket.timeout.ms": 10_000,
            "reconnect.backoff.max.ms": 1_000,
        }
        if self.user is not None:
            settings |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.user,
                "sasl.password": self.password,
            }
        if self.tls is not None:
            settings |= self._tls()
        return settings

    def _tls(self) -> dict[str, str | int | float]:
        paths = ssl.get_default_verify_paths()
        trusted = self.files.get("cacertfile") or paths.cafile or paths.capath
        settings: dict[str, str | int | float] = {}
        if trusted:
            settings["ssl.ca.location"] = trusted
        if self.files.get("verify") == "verify_none":
            settings |= {"enable.ssl.certificate.verification": False, "ssl.endpoint.identification.algorithm": "none"}
        if certificate := self.files.get("certfile"):
            settings["ssl.certificate.location"] = certificate
            settings["ssl.key.location"] = self.files.get("keyfile", certificate)
        if password := self.files.get("password"):
            settings["ssl.key.password"] = password
        elif file := self.files.get("passphrase_file"):
            with Path(file).open(encoding="utf-8") as opened:
                settings["ssl.key.password"] = opened.readline().rstrip("\r\n")
        return settings


def kafka_parameters(url: str, context: ssl.SSLContext | None = None) -> KafkaParameters:
    """Read a URL. Raises ValueError, UnusableTls."""
    check_octets(url)
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in SCHEMES:
        raise ValueError(f"no engine for {parts.scheme!r}")
    if context is not None:
        raise ValueError(f"{scheme}:// takes no SSLContext: name the files in the URL (cacertfile, certfile, keyfile)")
    if parts.path not in ("", "/"):
        raise ValueError("a URL of Kafka has no path: queues are named where they are used")
    login, at, hosts = parts.netloc.rpartition("@")
    servers = [_server(one) for one in hosts.split(",")]
    options = _options(parts.query)
    tls = None
    files = {name: options[name] for name in TLS_OPTIONS & options.keys()}
    if SCHEMES[scheme]:
        tls = tls_terms(files, servers[0][0], None, "kafka+ssl", "kafka")
    elif files:
        raise ValueError(f"{min(files)} needs kafka+ssl://, not kafka://")
    mechanism = options.get(MECHANISM, "plain").lower()
    if mechanism not in MECHANISMS:
        raise ValueError(f"auth_mechanism is one of {', '.join(MECHANISMS)}, not {mechanism!r}")
    user, colon, password = login.partition(":")
    if at and not (user and colon):
        raise ValueError("a log-in is written user:password@")
    if MECHANISM in options and not at:
        raise ValueError("auth_mechanism, and the URL names no user")
    numbers = {name: _number(name, options[name]) for name in NUMBERS.keys() & options.keys()}
    return KafkaParameters(
        servers=servers,
        user=unquote(user) if at else None,
        password=unquote(password),
        mechanism=MECHANISMS[mechanism],
        tls=tls,
        files=files,
        **numbers,
    )


def _server(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]/]+)(?::(\d{1,5}))?", text)
    if found is None or not 0 < (port := int(found[2] or PORT)) < 65_536:
        raise ValueError("brokers are written host:port,host:port")
    return unquote(found[1]).strip("[]"), port


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    known = {*TLS_OPTIONS, MECHANISM, *NUMBERS}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise ValueError(f"there is no option {name!r}: expected one of {', '.join(sorted(known))}")
        if name in options:
            raise ValueError(f"{name} stands there twice")
        options[name] = value
    return options


def _number(name: str, text: str) -> int:
    least, most = NUMBERS[name]
    if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
        raise ValueError(f"{name} is {least} to {most}, not {text!r}")
    return int(text)
