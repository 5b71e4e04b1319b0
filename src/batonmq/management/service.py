"""Management over HTTP, as a part of a server."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Final

from batonmq.management.definitions.taking import take_file
from batonmq.management.http.application import Application
from batonmq.management.http.connection import HttpServer
from batonmq.management.http.context import Context
from batonmq.management.http.log_in import LogIn
from batonmq.management.log_lines import LogLines
from batonmq.management.metrics.service import METRICS_PATH, Metrics
from batonmq.management.routes import all_routes
from batonmq.management.statistics.statistics import Statistics
from batonmq.server.addresses import address
from batonmq.server.config import Config, ManagementConfig
from batonmq.server.config_tables import must_be_free
from batonmq.server.extensions import Parts
from batonmq.server.listeners import Endpoint
from batonmq.shovels.service import Shovels

__all__ = ["Management"]

logger = logging.getLogger("batonmq.management")

# How long changes under way may take when the server stops, in seconds.
FINISH_SECONDS: Final = 2.0


class Management:
    """The HTTP API and the web page: an extension of a server."""

    def __init__(self, shovels: Shovels | None = None) -> None:
        """``shovels``: the server's shovels, which start before this; None: it runs none."""
        self._shovels = shovels or Shovels()
        self._parts: Parts
        self._http: HttpServer
        self._application: Application
        self._metrics: Metrics
        self.context: Context

    def begin(self, parts: Parts) -> None:
        """The broker is open, but clients cannot connect yet.

        Raises ConfigError for definitions that cannot be imported.
        """
        self._parts = parts
        if parts.config.server.definitions:
            take_file(parts, Path(parts.config.server.definitions))
        configured = parts.config.management
        self.context = Context(
            parts=parts,
            statistics=Statistics(parts.broker, parts.data),
            shovels=self._shovels,
            log_lines=LogLines(),
            started_at=parts.clock.time(),
            node=f"batonmq@{socket.gethostname().partition('.')[0]}",
        )
        log_in = LogIn(parts)
        self._metrics = Metrics(self.context, log_in)
        prefix = configured.path_prefix
        self._application = application = Application(
            self.context, all_routes(log_in, prefix, self._metrics.routes), log_in, prefix
        )
        self._http = HttpServer(
            application, parts.clock, most=configured.connections, request_seconds=configured.request_timeout
        )

    def endpoints(self) -> list[Endpoint]:
        """The endpoints without and with TLS, as configured; none if it is off."""
        configured, default = self._parts.config.management, ManagementConfig()
        found = []
        for scheme, port, usual, flag in (
            ("http", configured.port, default.port, "--management-port"),
            ("https", configured.tls_port, default.tls_port, "management.tls_port"),
        ):
            tls = self._parts.tls if scheme == "https" else None
            if port == "off" or (scheme == "https" and tls is None):
                continue
            found.append(
                Endpoint(
                    scheme,
                    configured.host,
                    port,
                    configured.backlog,
                    (),
                    path=configured.path_prefix,
                    tls=tls,
                    alpn=("http/1.1",),
                    flag=flag,
                    is_asked=must_be_free(port, usual, required=configured.required),
                    make_visitor=self._http.connect,
                )
            )
        return found + self._metrics.endpoints()

    async def start(self) -> None:
        """The server listens."""
        self.context.log_lines.start()
        self.context.statistics.start()
        for one in self._parts.addresses():
            # Metrics are served without a password.
            if one.scheme == "http" and one.path != METRICS_PATH and not address((one.host, one.port))[1]:
                logger.warning(
                    "management listens on %s without TLS: passwords can be read on the way; set tls.certificate, or"
                    " have it listen on 127.0.0.1 behind a proxy that speaks TLS",
                    one.url,
                )

    def reconfigure(self, config: Config) -> None:
        """Do nothing: no setting here can change while it runs."""

    async def stop(self) -> None:
        """The server is about to stop: finish changes under way, and end everything else."""
        await self._application.finish(FINISH_SECONDS)
        await self.context.statistics.stop()
        await self._metrics.stop()
        await self._http.stop()
        self.context.log_lines.stop()
