"""Publishes single messages, for occasional publishers: checks, routes and enqueues in one call.

Sessions have their own code for runs of messages; the checks and RabbitMQ's texts are the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from batonmq.broker.features.publish_headers import asks, check_headers
from batonmq.broker.model.outcomes import KEPT
from batonmq.broker.model.settings import TIME_MAX
from batonmq.broker.routing.carbon_copies import carbon_copies
from batonmq.broker.routing.direct_replies import REPLY_TO
from batonmq.broker.routing.router import needs_disk
from batonmq.errors import PreconditionFailed, ResourceError
from batonmq.message import Message

if TYPE_CHECKING:
    from batonmq.broker.operations.operations import Operations

_INTEGER = re.compile(r"[+-]?[0-9]+")


class Published(NamedTuple):
    """The outcome for a message."""

    outcome: int
    """KEPT, STORED or REFUSED."""
    is_routed: bool
    """Did any queue get it?"""


def publish(operations: Operations, message: Message) -> Published:
    """Publish a message with unchecked properties. Raises BrokerError, and then does nothing."""
    vhost = operations.vhost
    properties = message.properties
    route = operations.resolve(message.exchange, message.routing_key)
    _check_user(operations, properties.user_id)
    if properties.expiration is not None and (fault := expiration_fault(properties.expiration)):
        raise PreconditionFailed(f"invalid expiration '{properties.expiration}': {fault}")
    if properties.reply_to == REPLY_TO:
        raise PreconditionFailed("fast reply consumer does not exist")
    headers = properties.headers or {}
    if asks(properties):
        check_headers(headers, vhost.scheduler.now())
    keys = list(dict.fromkeys([message.routing_key, *carbon_copies(headers)]))
    if len(keys) > 1:
        operations.require_topics(route, keys[1:])
    if "BCC" in headers:
        headers = {name: value for name, value in headers.items() if name != "BCC"}
        message = message.with_properties(properties.replace(headers=headers))
    targets = route.targets
    if not route.by_key or len(keys) > 1:
        targets = vhost.router.route(route.exchange, keys, headers, message.properties)
    error = vhost.store.error
    if error is not None and needs_disk(message, targets):
        raise ResourceError(f"the message cannot be kept: {error.reason}") from error
    if not targets:
        # The publisher learns of it.
        route.counters.give_back()
        return Published(KEPT, is_routed=False)
    route.counters.routed_to(len(targets))
    return Published(vhost.router.publish(message, targets), is_routed=True)


def _check_user(operations: Operations, user_id: str | None) -> None:
    """Check that the property user-id, if any, is the logged-in user. Raises PreconditionFailed."""
    login = operations.user
    if user_id is not None and user_id != login.name and "impersonator" not in login.tags:
        raise PreconditionFailed(f"user_id property set to '{user_id}' but authenticated user was '{login.name}'")


def expiration_fault(expiration: str) -> str:
    """RabbitMQ's text for an invalid expiration; "" if it is valid."""
    found = _INTEGER.match(expiration)
    if found is None:
        return "no_integer"
    if found.end() < len(expiration):
        return f'{{leftover_string,"{expiration[found.end() :]}"}}'
    number = int(expiration)
    if number < 0:
        return f"{{value_negative,{number}}}"
    return f"{{value_too_large,{number}}}" if number > TIME_MAX else ""
