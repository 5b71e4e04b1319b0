"""Everything that can be configured. examples/batonmq.toml explains every key; `config_file` reads such a file."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from batonmq.broker.vhosts.policies import Policy, read_policy
from batonmq.errors import PreconditionFailed
from batonmq.fields import FieldValue
from batonmq.protocols.stomp import DIALECTS
from batonmq.server.certificates import LOGIN_FROM
from batonmq.server.logs import LEVELS
from batonmq.server.passwords import check_hash
from batonmq.server.users import Account, PermissionEntry, make_user

__all__ = [
    "Amqp10Config",
    "AmqpConfig",
    "Config",
    "LimitsConfig",
    "ListenerConfig",
    "PermissionConfig",
    "PolicyConfig",
    "ServerConfig",
    "StompConfig",
    "TlsConfig",
    "UserConfig",
    "VhostConfig",
    "WebSocketConfig",
    "configured_accounts",
]

Port = Annotated[int, Meta(ge=0, le=65535)]
# 0 lets the system choose a port, as everywhere; "off" is for listening nowhere.
OptionalPort = Port | Literal["off"]
Positive = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]

# What may stand in [tls].
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
    guest: bool = True

    def __post_init__(self) -> None:
        if self.log_level not in LEVELS:
            raise ValueError(f"log_level: expected one of {', '.join(LEVELS)}, got {self.log_level!r}")


class ListenerConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[listener]]: where clients of both AMQPs and of STOMP connect."""

    host: Name = "127.0.0.1"
    port: Port = 5672
    backlog: Positive = 1024
    dialect: str = ""
    tls: bool = False

    def __post_init__(self) -> None:
        if self.dialect:
            _check_dialect(self.dialect)


class TlsConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[tls]: what listeners with TLS show and ask; nobody listens with TLS where there is no certificate."""

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
    """[amqp]: what is proposed in connection.start and connection.tune (AMQP 0-9-1, sections 1.4.2.1 and 1.4.2.5)."""

    heartbeat: Annotated[int, Meta(ge=0, le=65535)] = 60
    channel_max: Annotated[int, Meta(ge=1, le=65535)] = 2047
    frame_max: Annotated[int, Meta(ge=4096, le=2**31 - 1)] = 131_072
    max_message_size: Positive = 128 * 1024 * 1024
    max_transaction_size: Positive = 128 * 1024 * 1024
    handshake_timeout: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    product: str = ""
    version: str = ""


class Amqp10Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[amqp10]: how clients of AMQP 1.0 are served; what is said in open and begin (part 2, sections 2.7.1, 2.7.2)."""

    dialect: str = "spec"
    default_vhost: Name = "/"
    anonymous_login: str = ""
    anonymous_passcode: str = ""
    idle_time_out: Annotated[float, Meta(ge=0, le=86_400)] = 60.0
    channel_max: Annotated[int, Meta(ge=1, le=65535)] = 255
    max_frame_size: Annotated[int, Meta(ge=512, le=2**30)] = 131_072
    handle_max: Annotated[int, Meta(ge=1, le=65535)] = 255
    max_message_size: Positive = 128 * 1024 * 1024
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
    backlog: Positive = 1024
    required: bool = False
    dialect: str = "spec"
    default_vhost: Name = "/"
    default_login: str = ""
    default_passcode: str = ""
    certificate_login: bool = False
    persistent: bool = False
    heart_beat_min: Annotated[int, Meta(ge=100, le=3_600_000)] = 1_000
    max_headers: Annotated[int, Meta(ge=16)] = 1_000
    max_head_size: Annotated[int, Meta(ge=4096)] = 256 * 1024
    max_message_size: Positive = 100 * 1024 * 1024
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
    backlog: Positive = 1024
    required: bool = False
    path: str = "/ws"
    dialect: str = ""
    origins: tuple[str, ...] = ()
    max_message_size: Positive = 16 * 1024 * 1024
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
    memory: Annotated[int, Meta(ge=1024 * 1024)] = 128 * 1024 * 1024
    store_pending: Annotated[int, Meta(ge=64 * 1024)] = 16 * 1024 * 1024


class VhostConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[vhost]]"""

    name: Name


class PolicyConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[policy]]"""

    name: Name
    pattern: str
    definition: dict[str, str | int | float | bool]
    vhost: Name = "/"
    apply_to: str = "all"
    priority: int = 0

    def __post_init__(self) -> None:
        try:
            _ = self.policy
        except PreconditionFailed as error:
            raise ValueError(str(error)) from None

    @property
    def policy(self) -> Policy:
        """As the broker has it."""
        definition: dict[str, FieldValue] = {**self.definition}
        return read_policy(
            self.name, self.pattern, definition, apply_to=self.apply_to, priority=self.priority, fixed=True
        )


class PermissionConfig(PermissionEntry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[user.permission]]"""

    vhost: Name = "/"


class UserConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[user]]"""

    name: Name
    password: str = ""
    password_hash: str = ""
    tags: tuple[str, ...] = ()
    permission: tuple[PermissionConfig, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.password) == bool(self.password_hash):
            raise ValueError(f"user {self.name!r}: expected either password or password_hash")
        if self.password_hash:
            check_hash(self.password_hash)


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be configured; the defaults are those of a broker without a file."""

    server: ServerConfig = ServerConfig()
    listener: tuple[ListenerConfig, ...] = (ListenerConfig(),)
    amqp: AmqpConfig = AmqpConfig()
    amqp10: Amqp10Config = Amqp10Config()
    tls: TlsConfig = TlsConfig()
    stomp: StompConfig = StompConfig()
    websocket: WebSocketConfig = WebSocketConfig()
    limits: LimitsConfig = LimitsConfig()
    vhost: tuple[VhostConfig, ...] = ()
    policy: tuple[PolicyConfig, ...] = ()
    user: tuple[UserConfig, ...] = ()

    def __post_init__(self) -> None:
        if not self.listener:
            raise ValueError("listener: expected at least one")
        if not self.tls.certificate and any(one.tls for one in self.listener):
            raise ValueError("listener.tls: true needs a tls.certificate")
        for table, name in (("amqp10", self.amqp10.default_vhost), ("stomp", self.stomp.default_vhost)):
            if name not in self.vhosts:
                raise ValueError(f"{table}.default_vhost: there is no [[vhost]] {name!r}")
        for policy in self.policy:
            if policy.vhost not in self.vhosts:
                raise ValueError(f"policy {policy.name!r}: there is no [[vhost]] {policy.vhost!r}")
        names = [user.name for user in self.user]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"user: {name!r} is there twice")

    @property
    def vhosts(self) -> list[str]:
        """The names of the virtual hosts: "/", which is always there, and those of the file."""
        return list(dict.fromkeys(["/", *(vhost.name for vhost in self.vhost)]))

    def with_flags(
        self,
        *,
        data: str | None = None,
        host: str | None = None,
        port: int | None = None,
        stomp_port: OptionalPort | None = None,
        websocket_port: OptionalPort | None = None,
        log_level: str | None = None,
    ) -> Config:
        """The command line's flags over the file.

        `host` and `port` make one listener of however many there are; `host` is meant for STOMP and WebSocket, too.
        """
        config = self
        if data is not None:
            config = msgspec.structs.replace(config, server=msgspec.structs.replace(config.server, data=data))
        if log_level is not None:
            config = msgspec.structs.replace(config, server=msgspec.structs.replace(config.server, log_level=log_level))
        if host is not None or port is not None:
            first = config.listener[0]
            listener = msgspec.structs.replace(
                first, host=first.host if host is None else host, port=first.port if port is None else port
            )
            config = msgspec.structs.replace(config, listener=(listener,))
        return msgspec.structs.replace(
            config,
            stomp=_with_address(config.stomp, host, stomp_port),
            websocket=_with_address(config.websocket, host, websocket_port),
        )


_Listening = TypeVar("_Listening", StompConfig, WebSocketConfig)


def _with_address(listening: _Listening, host: str | None, port: OptionalPort | None) -> _Listening:
    """A port that was asked for on the command line is one that the broker must have."""
    if host is not None:
        listening = msgspec.structs.replace(listening, host=host)
    if port is not None:
        listening = msgspec.structs.replace(listening, port=port, required=True)
    return listening


def configured_accounts(config: Config) -> dict[str, Account]:
    """The users of the configuration file."""
    return {
        user.name: Account(
            make_user(user.name, user.tags, {permission.vhost: permission for permission in user.permission}),
            password_hash=user.password_hash,
            password=user.password,
        )
        for user in config.user
    }
