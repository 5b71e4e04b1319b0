"""Metrics as a part of management: on its port for permitted users, and on their own port for everybody."""

from __future__ import annotations

from batonmq.management.http.application import Application
from batonmq.management.http.connection import HttpServer
from batonmq.management.http.context import Context
from batonmq.management.http.log_in import LogIn
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route, Routes
from batonmq.management.metrics.departed import Departed
from batonmq.management.metrics.endpoints import metrics_routes
from batonmq.management.metrics.sums import Sums
from batonmq.server.listeners import Endpoint

__all__ = ["METRICS_PATH", "Metrics"]

METRICS_PATH = "/metrics"


class Metrics:
    """Keeps the counts of former clients, from the start of the broker."""

    def __init__(self, context: Context, log_in: LogIn) -> None:
        parts = context.parts
        self._clients = parts.broker.clients
        self._departed = Departed()
        self._clients.watch(self._departed)
        sums = Sums(parts.clock)
        self._configured = parts.config.prometheus
        is_per_object = self._configured.per_object
        may = Tag.NOBODY if parts.config.management.public_metrics else Tag.MONITORING
        self.routes: tuple[Route, ...] = metrics_routes(self._departed, sums, may, is_per_object=is_per_object)
        """The routes on the management port."""
        public = Routes(metrics_routes(self._departed, sums, Tag.NOBODY, is_per_object=is_per_object))
        self._http = HttpServer(
            Application(context, public, log_in),
            parts.clock,
            most=self._configured.connections,
            request_seconds=parts.config.management.request_timeout,
        )

    def endpoints(self) -> list[Endpoint]:
        """Their own port, if the configuration has one."""
        configured = self._configured
        if configured.port == "off":
            return []
        return [
            Endpoint(
                "http",
                configured.host,
                configured.port,
                configured.backlog,
                (),
                path=METRICS_PATH,
                flag="prometheus.port",
                is_asked=True,
                make_visitor=self._http.connect,
            )
        ]

    async def stop(self) -> None:
        """The server is about to stop."""
        self._clients.unwatch(self._departed)
        await self._http.stop()
