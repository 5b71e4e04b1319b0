"""The broker as a server: data directory, store, users, broker and protocols, in one object that starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from batonmq import __version__
from batonmq.broker import Broker
from batonmq.clock import Clock
from batonmq.errors import StoreError
from batonmq.protocols.amqp10 import Containers
from batonmq.server.addresses import address
from batonmq.server.authenticator import Authenticator
from batonmq.server.config import Config, ListenerConfig, StompConfig, WebSocketConfig, configured_accounts
from batonmq.server.config_tables import must_be_free
from batonmq.server.data_directory import open_data_directory
from batonmq.server.extensions import Extension, Parts
from batonmq.server.failures import StartError
from batonmq.server.listeners import Address, Endpoint
from batonmq.server.live import LiveTables
from batonmq.server.log_ins import REFUSAL_SECONDS, LogIns
from batonmq.server.recognise import ServedProtocol
from batonmq.server.reloading import Changes, changed_keys, needs_restart, takes_effect, with_keys
from batonmq.server.sessions import amqp10_protocol, amqp_protocol, stomp_protocol, websocket_protocol
from batonmq.server.socket_server import SHUTDOWN_SECONDS, SocketServer
from batonmq.server.tls import Tls, unusable
from batonmq.server.user_changes import Users
from batonmq.server.users import GUEST, UserFile, guest_account
from batonmq.server.vitals import Vitals
from batonmq.store import SqliteStore

__all__ = ["STORE_NAME", "Server"]

logger = logging.getLogger(__name__)

STORE_NAME = "batonmq.db"

# Without TLS and with it.
SCHEMES = {"stomp": ("stomp", "stomp+ssl"), "websocket": ("ws", "wss")}


class Server:
    """A broker on sockets. `async with Server(config) as server:` starts and stops it, in any process."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock | None = None,
        refusal_seconds: float = REFUSAL_SECONDS,
        extensions: Sequence[Extension] = (),
    ) -> None:
        """`refusal_seconds` is how long a client with a wrong password waits.

        `extensions` are served beside the protocols, such as management over HTTP.
        """
        self.config = config
        self._live = LiveTables(config)
        self.data = Path(config.server.data)
        self._clock = clock or Clock()
        self._refusal_seconds = refusal_seconds
        self._extensions = extensions
        self._started_at = self._clock.time()
        self._directory = contextlib.ExitStack()
        self._sockets: SocketServer
        self._changes: Changes
        self._tls: Tls | None = None
        self._inside: ServedProtocol
        self.broker: Broker
        self.users: Users

    @property
    def addresses(self) -> list[Address]:
        """All listening sockets, those of AMQP first."""
        return self._sockets.addresses

    @property
    def ports(self) -> list[int]:
        """The ports that it listens on; where the configuration says 0, the system has chosen one."""
        return [address.port for address in self.addresses]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, before_listening: Callable[[], None] = lambda: None) -> None:
        """Open the data directory and listen. `before_listening` is called in between, when no client can come yet.

        Raises StartError when a port is taken, the directory is in use or cannot be written, or the store in it cannot
        be opened; ConfigError when its users cannot be read, or what TLS needs.
        """
        self._tls = Tls(self.config.tls) if self.config.tls.certificate else None
        with contextlib.ExitStack() as opened:
            opened.enter_context(open_data_directory(self.data))
            self.users = users = self._open_users()
            opened.callback(users.close)
            try:
                self.broker = Broker(
                    SqliteStore(str(self.data / STORE_NAME)), self._clock, memory_limit=self.config.limits.memory
                )
            except StoreError as error:
                raise StartError(str(error)) from error
            opened.callback(self._close_broker)
            self.broker.when_vhost_is_empty(users.vhost_is_empty)
            self.broker.hosted(self._describe)
            for vhost in self.config.vhosts:
                self.broker.add_vhost(vhost).fix()
            for policy in self.config.policy:
                policies = self.broker.add_vhost(policy.vhost).policies
                policies.set(policy.policy, keep=False)
                while policies.apply_more():
                    pass  # no client is served yet
            log_ins = LogIns(
                users.authenticator,
                asyncio.get_running_loop(),
                self._refusal_seconds,
                self._clock,
                failures_max=self.config.limits.failed_log_ins,
            )
            endpoints = self._endpoints()
            vitals = Vitals()
            parts = Parts(
                config=self.config,
                data=self.data,
                broker=self.broker,
                clock=self._clock,
                log_ins=log_ins,
                authenticator=users.authenticator,
                users=users,
                tls=self._tls,
                vitals=vitals,
                addresses=lambda: self.addresses,
                join=lambda joined: self._sockets.join(joined, self._inside),
            )
            for extension in self._extensions:
                extension.begin(parts)
                endpoints += extension.endpoints()
            self._sockets = SocketServer(
                self.broker, self.broker.store, endpoints, log_ins, self.config, self._clock, self._tls, vitals
            )
            users.authenticator.when_changed(self._users_changed)
            self._changes = Changes(self.broker, users, self._sockets, self._live)
            before_listening()
            await self._sockets.start()
            for extension in self._extensions:
                await extension.start()
            self._look_at_guest()
            self._directory = opened.pop_all()

    async def stop(self, seconds: float = SHUTDOWN_SECONDS) -> None:
        """Stop in an orderly way: no new connections, tell clients, give them `seconds` to leave, commit, close."""
        with self._directory:
            for extension in self._extensions:
                await extension.stop()
            await self._sockets.stop("broker forced connection closure with reason 'shutdown'", seconds)

    def reload(self, config: Config | None = None) -> None:
        """Read the TLS certificate again; with a configuration, apply it as far as possible.

        The log says what has changed, what waits for a restart, or why nothing has changed.
        """
        wanted = config or self.config
        keys = changed_keys(self.config, wanted)
        later = [key for key in keys if needs_restart(key, self.config, wanted)]
        now = [key for key in keys if takes_effect(key, self.config, wanted)]
        try:
            present = with_keys(self.config, wanted, now)
        except ValueError as error:
            logger.error("the configuration was not taken, as parts of it need a restart: %s", error)
            return
        if self._tls is not None and not self._tls.reload(present.tls):
            return
        if self._tls is None and wanted.tls.certificate and (fault := unusable(wanted.tls)):
            logger.error("%s; nothing has changed", fault)
            return
        old, self.config = self.config, present
        self._changes.apply(old, present, now)
        for extension in self._extensions:
            extension.reconfigure(present)
        if config is not None:
            logger.info("the configuration was read again; changed: %s", ", ".join(now) or "nothing")
        if later:
            logger.warning("these keys of the configuration need a restart to take effect: %s", ", ".join(later))

    def hurry(self) -> None:
        """Stop waiting for clients in `stop`."""
        self._sockets.connections.hurry()

    def _describe(self) -> dict[str, object]:
        """The server's part of the broker's status."""
        return {
            "product": "BatonMQ",
            "version": __version__,
            "process": os.getpid(),
            "started_at": int(self._started_at * 1000),
            "uptime": int((self._clock.time() - self._started_at) * 1000),
            "data": str(self.data.absolute()),
            "addresses": [address.url for address in self.addresses],
        }

    def _look_at_guest(self) -> None:
        """Warn when others may log in as guest, through a proxy on this machine."""
        if self.users.authenticator.recall(GUEST, GUEST, is_loopback=True) is None:
            return
        beyond = [f"{one.host}:{one.port}" for one in self.addresses if not address((one.host, one.port))[1]]
        if beyond:
            why = f"it listens on {', '.join(beyond)}"
        elif self.config.websocket.origins and self.config.websocket.port != "off":
            why = "websocket.origins lets pages of other machines in"
        else:
            return
        logger.warning(
            "the user guest may log in with its well-known password from this machine, and %s: a proxy or a tunnel that"
            " runs here lets everybody in as guest; add users and set guest = false",
            why,
        )

    def _users_changed(self) -> None:
        """Apply the current rights to connected clients, as in RabbitMQ 4."""
        self.broker.rights_changed()
        self._sockets.connections.users_changed(self.users.authenticator.find)

    def _close_broker(self) -> None:
        try:
            self.broker.close()
        except StoreError as error:
            logger.error("the store could not be closed in order: %s", error)

    def _open_users(self) -> Users:
        """Raises ConfigError."""
        guest = guest_account(self.config.vhosts) if self.config.server.guest else None
        file = UserFile(self.data)
        return Users(file, Authenticator(file, configured_accounts(self.config), guest), guest)

    def _endpoints(self) -> list[Endpoint]:
        """The endpoints to listen on."""
        config = self.config
        amqp = self._inside = amqp_protocol(self.broker, self._live.amqp)
        containers = Containers()

        def amqp10(dialect: str) -> ServedProtocol:
            return amqp10_protocol(self.broker, self._live.amqp10, dialect, containers)

        endpoints = []
        for one in self._amqp_listeners():
            # The port of AMQP takes clients of all protocols.
            protocols = [self._stomp(one.dialect), amqp10(one.dialect), amqp]
            scheme, tls = ("amqps", self._tls) if one.tls else ("amqp", None)
            flag = "tls.amqps_port" if one.tls else "--port"
            endpoints.append(Endpoint(scheme, one.host, one.port, one.backlog, protocols, tls=tls, flag=flag))
        endpoints += self._endpoint("stomp", config.stomp, StompConfig(), [self._stomp("")])
        carried = self._stomp(config.websocket.dialect).make_session
        binary = {"amqp": amqp10(config.websocket.dialect).make_session}
        websocket = websocket_protocol(self._live.websocket, carried, binary)
        endpoints += self._endpoint(
            "websocket", config.websocket, WebSocketConfig(), [websocket], config.websocket.path
        )
        return endpoints

    def _amqp_listeners(self) -> list[ListenerConfig]:
        """The listeners of the configuration; if there is a certificate and none has TLS, one more with TLS."""
        listeners = list(self.config.listener)
        port = self.config.tls.amqps_port
        if self._tls is not None and port != "off" and not any(one.tls for one in listeners):
            listeners.append(msgspec.structs.replace(listeners[0], port=port, tls=True))
        return listeners

    def _endpoint(
        self,
        name: str,
        configured: StompConfig | WebSocketConfig,
        default: StompConfig | WebSocketConfig,
        protocols: list[ServedProtocol],
        path: str = "",
    ) -> list[Endpoint]:
        """The endpoints of a protocol without and with TLS, as configured; none if it is off."""
        found = []
        plain, secure = SCHEMES[name]
        for scheme, port, usual, flag in (
            (plain, configured.port, default.port, f"--{name}-port"),
            (secure, configured.tls_port, default.tls_port, f"{name}.tls_port"),
        ):
            tls = self._tls if scheme == secure else None
            if port == "off" or (scheme == secure and tls is None):
                continue
            found.append(
                Endpoint(
                    scheme,
                    configured.host,
                    port,
                    configured.backlog,
                    protocols,
                    path=path,
                    tls=tls,
                    # WebSocket begins with a request of HTTP/1.1 (RFC 6455), a name of RFC 7301's registry. AMQP and
                    # STOMP have none.
                    alpn=("http/1.1",) if path else (),
                    flag=flag,
                    is_asked=must_be_free(port, usual, required=configured.required),
                )
            )
        return found

    def _stomp(self, dialect: str) -> ServedProtocol:
        return stomp_protocol(self.broker, self._live.stomp, dialect)
