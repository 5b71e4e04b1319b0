"""The parameters in a URL: the broker's address, the log-in, TLS, and the expected product."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from batonmq.engines.amqp10.client.login import Credentials
from batonmq.engines.tls import TLS_NAMES, TlsTerms, tls_terms
from batonmq.engines.urls import check_octets

__all__ = ["Amqp10Parameters", "amqp10_parameters"]

PORT: Final = 5672
TLS_PORT: Final = 5671
# The product's name in the broker's open, by scheme; "": any.
PRODUCTS: Final = {"amqp10": "", "artemis": "Artemis", "activemq": "ActiveMQ"}
# The product's own parameters, by scheme; all of them where any product will do.
PRODUCT_OPTIONS: Final = {"artemis": frozenset[str](), "activemq": frozenset({"jolokia", "offers"})}
MECHANISM: Final = "auth_mechanism"
IDLE: Final = "idle_time_out"
IDLE_DEFAULT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Amqp10Parameters:
    """Where to connect, and how."""

    host: str
    port: int
    credentials: Credentials
    hostname: str
    """The hostname in open, which selects the virtual host."""
    tls: TlsTerms | None
    wanted: str
    """The product that the broker must be, in words; "": any."""
    idle_time_out: float
    """Seconds of silence allowed to the broker."""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The product's own parameters."""

    @property
    def where(self) -> str:
        """Host and port, for error texts."""
        return f"{self.host}:{self.port}"


def amqp10_parameters(url: str, context: ssl.SSLContext | None = None) -> Amqp10Parameters:
    """Read a URL: ``amqp10://user:password@host:5672/vhost?...``. Raises ValueError, UnusableTls.

    ``context`` is used for TLS; the query must then name no certificates.
    """
    check_octets(url)
    parts = urlsplit(url)
    plain = parts.scheme.lower()
    is_secure = plain not in PRODUCTS
    plain = plain.removesuffix("s") if is_secure else plain
    if plain not in PRODUCTS:
        raise ValueError(f"no engine for {parts.scheme!r}")
    if not parts.hostname:
        raise ValueError("it names no host")
    ours = PRODUCT_OPTIONS.get(plain, frozenset().union(*PRODUCT_OPTIONS.values()))
    options = _options(parts.query, ours)
    tls = None
    if is_secure:
        tls = tls_terms(options, parts.hostname, context, f"{plain}s", plain)
    elif context is not None:
        raise ValueError(f"an SSLContext needs {plain}s://, not {plain}://")
    elif needless := sorted(TLS_NAMES & options.keys()):
        raise ValueError(f"{needless[0]} needs {plain}s://, not {plain}://")
    vhost = unquote(parts.path.removeprefix("/"))
    return Amqp10Parameters(
        host=parts.hostname,
        port=_port(parts.port, is_secure=is_secure),
        credentials=_credentials(parts.username, parts.password, options, tls),
        hostname=f"vhost:{vhost}" if vhost else parts.hostname,
        tls=tls,
        wanted=PRODUCTS[plain],
        idle_time_out=_idle(options.get(IDLE)),
        options={name: value for name, value in options.items() if name in ours},
    )


def _port(port: int | None, *, is_secure: bool) -> int:
    if port is None:
        return TLS_PORT if is_secure else PORT
    if not port:
        raise ValueError("the port is 1 to 65535")
    return port


def _options(query: str, ours: frozenset[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in TLS_NAMES and name not in (MECHANISM, IDLE) and name not in ours:
            known = ", ".join(sorted({*TLS_NAMES, MECHANISM, IDLE, *ours}))
            raise ValueError(f"there is no option {name!r}: expected one of {known}")
        if name in options:
            raise ValueError(f"{name} stands there twice")
        options[name] = value
    return options


def _credentials(user: str | None, password: str | None, options: dict[str, str], tls: TlsTerms | None) -> Credentials:
    mechanism = options.get(MECHANISM, "plain").lower()
    if mechanism not in ("plain", "external", "anonymous"):
        raise ValueError(f"auth_mechanism is plain, external or anonymous, not {mechanism!r}")
    if mechanism == "external":
        if tls is None or tls.client_certificate is None:
            raise ValueError("auth_mechanism=external needs TLS and a client certificate: certfile")
        return Credentials(is_external=True)
    if mechanism == "anonymous":
        if user is not None:
            raise ValueError("auth_mechanism=anonymous, and the URL names a user")
        return Credentials(is_anonymous=True)
    if user is None:
        return Credentials()
    return Credentials(unquote(user), unquote(password or ""))


def _idle(text: str | None) -> float:
    if text is None:
        return IDLE_DEFAULT
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 1.0 <= seconds <= 3600.0:
        raise ValueError(f"idle_time_out is 1 to 3600 seconds, not {text!r}")
    return seconds
