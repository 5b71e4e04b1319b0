"""All routes of the management server."""

from __future__ import annotations

from batonmq.management.api import (
    auth_attempts,
    binding_changes,
    bindings,
    channels,
    connections,
    consumers,
    definitions,
    exchange_changes,
    exchanges,
    health,
    messages,
    node,
    nodes,
    overview,
    parameters,
    permissions,
    policies,
    queue_changes,
    queues,
    shovels,
    users,
    vhost_changes,
    vhosts,
)
from batonmq.management.baton.routes import BATON_ROUTES
from batonmq.management.http.log_in import LogIn
from batonmq.management.http.openapi import openapi_route
from batonmq.management.http.routes import Route, Routes
from batonmq.management.http.session_routes import session_routes
from batonmq.management.page.files import page_routes

__all__ = ["all_routes"]

# Each module of the API has its own routes.
ROUTES: tuple[Route, ...] = (
    *auth_attempts.ROUTES,
    *BATON_ROUTES,
    *binding_changes.ROUTES,
    *bindings.ROUTES,
    *channels.ROUTES,
    *connections.ROUTES,
    *consumers.ROUTES,
    *definitions.ROUTES,
    *exchange_changes.ROUTES,
    *exchanges.ROUTES,
    *health.ROUTES,
    *messages.ROUTES,
    *node.ROUTES,
    *nodes.ROUTES,
    *overview.ROUTES,
    *parameters.ROUTES,
    *permissions.ROUTES,
    *policies.ROUTES,
    *queue_changes.ROUTES,
    *queues.ROUTES,
    *shovels.ROUTES,
    *users.ROUTES,
    *vhost_changes.ROUTES,
    *vhosts.ROUTES,
)


def all_routes(log_in: LogIn, prefix: str, metrics: tuple[Route, ...]) -> Routes:
    """All routes, below ``prefix``."""
    routes = (*ROUTES, *metrics, *session_routes(log_in), *page_routes(prefix))
    return Routes((*routes, openapi_route(routes, prefix)))
