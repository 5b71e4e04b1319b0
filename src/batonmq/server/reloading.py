"""Reading the configuration again: which changes take effect at once, and which wait for a restart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from batonmq.broker import Broker
from batonmq.server.config import Config, configured_accounts
from batonmq.server.live import LiveTables
from batonmq.server.logs import change_level, configure_logging
from batonmq.server.socket_server import SocketServer
from batonmq.server.user_changes import Users
from batonmq.server.users import guest_account

__all__ = ["Changes", "changed_keys", "needs_restart", "takes_effect", "with_keys"]

# Tables that apply to connections opened afterwards.
OF_CONNECTIONS: Final = frozenset({"amqp", "amqp10", "stomp", "websocket"})
# Except keys of sockets that listen already, and of objects created once.
OF_LISTENERS: Final = frozenset({"host", "port", "tls_port", "backlog", "required", "path", "dialect"})
ONCE: Final = frozenset({"amqp.handshake_timeout"})
AT_ONCE: Final = frozenset(
    {
        *("user", "policy", "vhost", "shovel"),
        *("server.log_level", "server.log_format", "server.guest"),
        *("limits.connections", "limits.memory", "limits.store_pending"),
        *("tls.certificate", "tls.key", "tls.passphrase_file", "tls.ca"),
        *("tls.client_certificates", "tls.login_from", "tls.min_version"),
    }
)


def changed_keys(old: Config, new: Config) -> list[str]:
    """The keys that differ: `table.key`, and the names of repeatable tables."""
    found = []
    for table in old.__struct_fields__:
        before, after = getattr(old, table), getattr(new, table)
        if before == after:
            continue
        if isinstance(before, msgspec.Struct):
            fields = before.__struct_fields__
            found += [f"{table}.{key}" for key in fields if getattr(before, key) != getattr(after, key)]
        else:
            found.append(table)
    return found


def needs_restart(key: str, old: Config, new: Config) -> bool:
    """Does a key that differs wait for the next start?"""
    table, _, name = key.partition(".")
    if table == "tls" and bool(old.tls.certificate) != bool(new.tls.certificate):
        # A listener would have to start, or stop.
        return True
    if table == "vhost":
        # Added virtual hosts exist at once; the contents of omitted ones are not thrown away.
        return not set(old.vhosts) <= set(new.vhosts)
    if table in OF_CONNECTIONS:
        return key in ONCE or (name in OF_LISTENERS and not (table in ("amqp10", "stomp") and name == "dialect"))
    return key not in AT_ONCE


def takes_effect(key: str, old: Config, new: Config) -> bool:
    """Does a key that differs take effect at once?

    For virtual hosts both may hold: one is added while another is left out.
    """
    if key == "vhost":
        return not set(new.vhosts) <= set(old.vhosts)
    return not needs_restart(key, old, new)


def with_keys(old: Config, new: Config, keys: list[str]) -> Config:
    """The old configuration with these keys of the new one. Virtual hosts that the new one leaves out stay."""
    changes: dict[str, Any] = {}
    for key in keys:
        table, _, name = key.partition(".")
        if name:
            before = changes.get(table, getattr(old, table))
            changes[table] = msgspec.structs.replace(before, **{name: getattr(getattr(new, table), name)})
        elif table == "vhost":
            changes[table] = tuple(dict.fromkeys((*old.vhost, *new.vhost)))
        else:
            changes[table] = getattr(new, table)
    return msgspec.structs.replace(old, **changes)


class Changes:
    """Applies changes of the configuration to a running server."""

    def __init__(self, broker: Broker, users: Users, sockets: SocketServer, live: LiveTables) -> None:
        self._broker = broker
        self._users = users
        self._sockets = sockets
        self._live = live

    def apply(self, old: Config, config: Config, keys: Sequence[str]) -> None:
        """Apply these changed keys of the configuration."""
        tables = {key.partition(".")[0] for key in keys}
        for vhost in config.vhosts if "vhost" in tables else ():
            self._broker.add_vhost(vhost).fix()
        if "policy" in tables:
            self._policies(old, config)
        if tables & {"user", "vhost"} or "server.guest" in keys:
            guest = guest_account(config.vhosts) if config.server.guest else None
            self._users.configure(configured_accounts(config), guest)
        if "limits" in tables:
            self._sockets.change_limits(config.limits)
            self._broker.limit_memory(config.limits.memory)
        self._live.change(config)
        if "server.log_format" in keys:
            configure_logging(config.server.log_level, config.server.log_format)
        elif "server.log_level" in keys:
            change_level(config.server.log_level)

    def _policies(self, old: Config, config: Config) -> None:
        wanted = {(policy.vhost, policy.name) for policy in config.policy}
        for policy in old.policy:
            if (policy.vhost, policy.name) not in wanted and policy.vhost in self._broker.vhosts:
                self._broker.vhosts[policy.vhost].policies.drop_fixed(policy.name)
        for policy in config.policy:
            if policy not in old.policy:
                self._broker.add_vhost(policy.vhost).policies.set(policy.policy, keep=False)
