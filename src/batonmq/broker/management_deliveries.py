"""Requests about what the connection that asks holds: more time for a delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.settings import TIME_MAX
from batonmq.errors import NotFound, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.management_request import Answer, Request


def _renew(request: Request) -> Answer:
    channel = _number(request, "channel", 65_535)
    tag = _number(request, "delivery_tag", 2**63 - 1)
    milliseconds = _number(request, "milliseconds", TIME_MAX)
    find = request.operations.find_delivery
    queued = find(channel, tag) if find is not None else None
    if queued is None or not queued.lane.queue.renew(queued, milliseconds / 1000):
        raise NotFound(f"no delivery {tag} on channel {channel} is held by this connection")
    return {}


def _number(request: Request, name: str, most: int) -> int:
    value = request.number(name, 1, most)
    if value is None:
        raise PreconditionFailed(f'the request needs "{name}": a number')
    return value


DELIVERY_OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {"deliveries.renew": _renew}
