"""The tables of the configuration that say how clients are served: ports, protocols, TLS, limits, management."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from batonmq.message import BODY_MAX
from batonmq.protocols.stomp import DIALECTS
from batonmq.server.certificates import LOGIN_FROM
from batonmq.server.logs import FORMATS, LEVELS

__all__ = [
    "Amqp10Config",
    "AmqpConfig",
    "GivenPort",
    "LimitsConfig",
    "ListenerConfig",
    "ManagementConfig",
    "Name",
    "OptionalPort",
    "PrometheusConfig",
    "ServerConfig",
    "ShovelConfig",
    "StompConfig",
    "TlsConfig",
    "WebSocketConfig",
    "must_be_free",
]

Port = Annotated[int, Meta(ge=0, le=65535)]
# 0 lets the system choose a port, as everywhere; "off" is for listening nowhere.
OptionalPort = Port | Literal["off"]


class GivenPort(int):
    """A port of the command line: the broker does not start without it, whatever the file says."""


def must_be_free(port: OptionalPort, usual: OptionalPort, *, required: bool) -> bool:
    """Does the broker not start if this port is taken? ``usual`` is the default, ``required`` what the file says."""
    return required or port != usual or isinstance(port, GivenPort)


Positive = Annotated[int, Meta(ge=1, le=2**63 - 1)]
MessageSize = Annotated[int, Meta(ge=1, le=BODY_MAX)]
# The system takes a C int, and reduces it if it is too large.
Backlog = Annotated[int, Meta(ge=1, le=2**31 - 1)]
# So many per second; 0: no limit.
Rate = Annotated[float, Meta(ge=0, le=1e12)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]

# The values allowed in [tls].
TLS_WORDS = {
    "client_certificates": ("none", "wanted", "required"),
    "login_from": LOGIN_FROM,
    "min_version": ("1.2", "1.3"),
}


def _check_dialect(dialect: str) -> None:
    if dialect not in DIALECTS:
        raise ValueError(f"dialect: expected one of {', '.join(DIALECTS)}, got {dialect!r}")


class ServerConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[server]"""

    data: Name = "data"
    log_level: str = "info"
    log_format: str = "text"
    guest: bool = True
    definitions: str = ""

    def __post_init__(self) -> None:
        if self.log_level not in LEVELS:
            raise ValueError(f"log_level: expected one of {', '.join(LEVELS)}, got {self.log_level!r}")
        if self.log_format not in FORMATS:
            raise ValueError(f"log_format: expected one of {', '.join(FORMATS)}, got {self.log_format!r}")


class ListenerConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[listener]]: where clients of both AMQPs and of STOMP connect."""

    host: Name = "127.0.0.1"
    port: Port = 5672
    backlog: Backlog = 1024
    dialect: str = ""
    tls: bool = False

    def __post_init__(self) -> None:
        if self.dialect:
            _check_dialect(self.dialect)


class TlsConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[tls]: the settings of listeners with TLS; without a certificate there are no such listeners."""

    certificate: str = ""
    key: str = ""
    passphrase_file: str = ""
    ca: str = ""
    client_certificates: str = "none"
    login_from: str = "common_name"
    min_version: str = "1.2"
    amqps_port: OptionalPort = 5671
    handshake_timeout: Annotated[float, Meta(gt=0, le=3600)] = 10.0

    def __post_init__(self) -> None:
        for key, known in TLS_WORDS.items():
            word: str = getattr(self, key)
            if word not in known:
                raise ValueError(f"{key}: expected one of {', '.join(known)}, got {word!r}")
        for key in ("key", "passphrase_file", "ca"):
            if getattr(self, key) and not self.certificate:
                raise ValueError(f"{key}: without a certificate there is no TLS")
        if self.client_certificates != "none" and not (self.certificate and self.ca):
            raise ValueError(f"client_certificates: {self.client_certificates!r} needs a certificate and a ca")


class AmqpConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[amqp]: the proposals of connection.start and connection.tune (AMQP 0-9-1, sections 1.4.2.1 and 1.4.2.5)."""

    heartbeat: Annotated[int, Meta(ge=0, le=65535)] = 60
    channel_max: Annotated[int, Meta(ge=1, le=65535)] = 2047
    frame_max: Annotated[int, Meta(ge=4096, le=2**31 - 1)] = 131_072
    max_message_size: MessageSize = 128 * 1024 * 1024
    max_transaction_size: Positive = 128 * 1024 * 1024
    handshake_timeout: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    product: str = ""
    version: str = ""


class Amqp10Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[amqp10]: how clients of AMQP 1.0 are served, with values of open and begin (part 2, sections 2.7.1, 2.7.2)."""

    dialect: str = "spec"
    default_vhost: Name = "/"
    anonymous_login: str = ""
    anonymous_passcode: str = ""
    idle_time_out: Annotated[float, Meta(ge=0, le=86_400)] = 60.0
    channel_max: Annotated[int, Meta(ge=1, le=65535)] = 255
    max_frame_size: Annotated[int, Meta(ge=512, le=2**30)] = 131_072
    handle_max: Annotated[int, Meta(ge=1, le=65535)] = 255
    max_message_size: MessageSize = 128 * 1024 * 1024
    max_transaction_size: Positive = 128 * 1024 * 1024
    handshake_timeout: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    container_id: Name = "batonmq"
    product: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        _check_dialect(self.dialect)


class StompConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[stomp]: where clients of STOMP connect, and how all of them are served."""

    host: Name = "127.0.0.1"
    port: OptionalPort = 61613
    tls_port: OptionalPort = 61614
    backlog: Backlog = 1024
    required: bool = False
    dialect: str = "spec"
    default_vhost: Name = "/"
    default_login: str = ""
    default_passcode: str = ""
    certificate_login: bool = False
    persistent: bool = False
    heart_beat_min: Annotated[int, Meta(ge=100, le=3_600_000)] = 1_000
    max_headers: Annotated[int, Meta(ge=16, le=2**63 - 1)] = 1_000
    max_head_size: Annotated[int, Meta(ge=4096, le=2**63 - 1)] = 256 * 1024
    max_message_size: MessageSize = 100 * 1024 * 1024
    max_subscriptions: Positive = 10_000
    max_transaction_size: Positive = 128 * 1024 * 1024
    handshake_timeout: Annotated[float, Meta(gt=0, le=3600)] = 10.0

    def __post_init__(self) -> None:
        _check_dialect(self.dialect)


class WebSocketConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[websocket]: where clients of STOMP connect through WebSocket (RFC 6455)."""

    host: Name = "127.0.0.1"
    port: OptionalPort = 15674
    tls_port: OptionalPort = 15673
    backlog: Backlog = 1024
    required: bool = False
    path: str = "/ws"
    dialect: str = ""
    origins: tuple[str, ...] = ()
    max_message_size: MessageSize = 16 * 1024 * 1024
    ping_interval: Annotated[float, Meta(ge=0, le=3600)] = 30.0
    handshake_timeout: Annotated[float, Meta(gt=0, le=3600)] = 10.0

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or "?" in self.path:
            raise ValueError(f"path: expected one that begins with /, as /ws, got {self.path!r}")
        if self.dialect:
            _check_dialect(self.dialect)


class LimitsConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[limits]"""

    connections: Positive = 10_000
    memory: Annotated[int, Meta(ge=1024 * 1024, le=2**63 - 1)] = 128 * 1024 * 1024
    store_pending: Annotated[int, Meta(ge=64 * 1024, le=2**63 - 1)] = 16 * 1024 * 1024
    failed_log_ins: Annotated[int, Meta(ge=0, le=1_000_000)] = 300


class ManagementConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[management]: where the HTTP API and the web page are, and the limits of a request."""

    host: Name = "127.0.0.1"
    port: OptionalPort = 15672
    tls_port: OptionalPort = 15671
    backlog: Backlog = 128
    required: bool = False
    path_prefix: str = ""
    connections: Positive = 500
    max_body_size: MessageSize = 20 * 1024 * 1024
    request_timeout: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    session_timeout: Annotated[float, Meta(ge=60, le=604_800)] = 28_800.0
    public_metrics: bool = False

    def __post_init__(self) -> None:
        prefix = self.path_prefix
        if prefix and (not prefix.startswith("/") or prefix.endswith("/") or "?" in prefix or "%" in prefix):
            raise ValueError(f"path_prefix: expected one as /batonmq, got {prefix!r}")


class PrometheusConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[prometheus]: where metrics are served without a log-in, and what /metrics returns."""

    host: Name = "127.0.0.1"
    port: OptionalPort = "off"
    backlog: Backlog = 128
    connections: Positive = 50
    per_object: bool = False


class ShovelConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[shovel]]: moves messages from a queue to another, here or elsewhere."""

    name: Name
    from_queue: Name
    to_queue: Name
    from_url: str = ""
    to_url: str = ""
    from_url_file: str = ""
    to_url_file: str = ""
    vhost: Name = "/"
    prefetch: Annotated[int, Meta(ge=1, le=65535)] = 1000
    reconnect_delay: Annotated[float, Meta(gt=0, le=86400)] = 5.0
    rate: Rate = 0.0
    byte_rate: Rate = 0.0
    dead_letters: str = ""
    lossy: Literal["strip", "set-aside"] = "strip"
    rounds: Annotated[int, Meta(ge=1, le=1000)] = 10
    declare: bool = True

    def __post_init__(self) -> None:
        for side in ("from_url", "to_url"):
            if getattr(self, side) and getattr(self, f"{side}_file"):
                raise ValueError(f"shovel {self.name!r}: expected either {side} or {side}_file")
