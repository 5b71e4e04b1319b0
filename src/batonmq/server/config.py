"""Everything that can be configured. examples/batonmq.toml explains every key; `config_file` reads such a file."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Struct

from batonmq.broker.vhosts.policy import Policy, read_policy
from batonmq.errors import PreconditionFailed
from batonmq.field_encoding import encode_table
from batonmq.fields import FieldError, FieldValue
from batonmq.server.config_tables import (
    Amqp10Config,
    AmqpConfig,
    GivenPort,
    LimitsConfig,
    ListenerConfig,
    ManagementConfig,
    Name,
    OptionalPort,
    PrometheusConfig,
    ServerConfig,
    ShovelConfig,
    StompConfig,
    TlsConfig,
    WebSocketConfig,
)
from batonmq.server.passwords import check_hash
from batonmq.server.users import Account, PermissionEntry, make_user

__all__ = [
    "Amqp10Config",
    "AmqpConfig",
    "Config",
    "LimitsConfig",
    "ListenerConfig",
    "ManagementConfig",
    "PermissionConfig",
    "PolicyConfig",
    "PrometheusConfig",
    "ServerConfig",
    "ShovelConfig",
    "StompConfig",
    "TlsConfig",
    "UserConfig",
    "VhostConfig",
    "WebSocketConfig",
    "configured_accounts",
]


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
            encode_table({**self.definition})
            _ = self.policy
        except (FieldError, PreconditionFailed) as error:
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
    management: ManagementConfig = ManagementConfig()
    prometheus: PrometheusConfig = PrometheusConfig()
    limits: LimitsConfig = LimitsConfig()
    vhost: tuple[VhostConfig, ...] = ()
    policy: tuple[PolicyConfig, ...] = ()
    user: tuple[UserConfig, ...] = ()
    shovel: tuple[ShovelConfig, ...] = ()

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
        shovels = [(shovel.vhost, shovel.name) for shovel in self.shovel]
        for vhost, name in shovels:
            if vhost not in self.vhosts:
                raise ValueError(f"shovel {name!r}: there is no [[vhost]] {vhost!r}")
            if shovels.count((vhost, name)) > 1:
                raise ValueError(f"shovel: {name!r} is there twice")
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
        management_port: OptionalPort | None = None,
        log_level: str | None = None,
        log_format: str | None = None,
    ) -> Config:
        """Apply the command line's flags over the file.

        `host` and `port` replace all listeners by one; `host` also applies to STOMP and WebSocket, but not to
        management, whose host is chosen separately.
        """
        config = self
        if data is not None:
            config = msgspec.structs.replace(config, server=msgspec.structs.replace(config.server, data=data))
        if log_level is not None:
            config = msgspec.structs.replace(config, server=msgspec.structs.replace(config.server, log_level=log_level))
        if log_format is not None:
            server = msgspec.structs.replace(config.server, log_format=log_format)
            config = msgspec.structs.replace(config, server=server)
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
            management=_with_address(config.management, None, management_port),
        )


_Listening = TypeVar("_Listening", StompConfig, WebSocketConfig, ManagementConfig)


def _with_address(listening: _Listening, host: str | None, port: OptionalPort | None) -> _Listening:
    """The port is the one without TLS; only "off" is for both."""
    if host is not None:
        listening = msgspec.structs.replace(listening, host=host)
    if port == "off":
        listening = msgspec.structs.replace(listening, port=port, tls_port=port)
    elif port is not None:
        listening = msgspec.structs.replace(listening, port=GivenPort(port))
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
