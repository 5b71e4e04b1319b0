"""Requests about the deliveries that a connection holds, for operations that AMQP lacks.

They renew a delivery, release it with a delay, or reject it with a reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.settings import TIME_MAX
from batonmq.errors import NotFound, PreconditionFailed
from batonmq.queued import HELD

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.management.request import Answer, Request
    from batonmq.queued import QueuedMessage


def _renew(request: Request) -> Answer:
    channel, tag = _delivery(request)
    milliseconds = _number(request, "milliseconds", 1, TIME_MAX)
    held = request.operations.deliveries
    queued = held.find_delivery(channel, tag) if held is not None else None
    if queued is None or not queued.settlement.renew(queued, milliseconds / 1000):
        raise _not_held(channel, tag)
    return {}


def _release(request: Request) -> Answer:
    milliseconds = _number(request, "milliseconds", 0, TIME_MAX)
    queued = _taken(request)
    queued.settlement.release([queued], milliseconds)
    return {}


def _reject(request: Request) -> Answer:
    reason = request.text("reason")
    queued = _taken(request)
    queued.settlement.reject(queued, reason)
    return {}


def _delivery(request: Request) -> tuple[int, int]:
    # Sessions of AMQP 1.0 and their deliveries are numbered from 0.
    return _number(request, "channel", 0, 65_535), _number(request, "delivery_tag", 0, 2**63 - 1)


def _taken(request: Request) -> QueuedMessage:
    """The delivery to settle. Raises NotFound, also when its deadline has passed."""
    channel, tag = _delivery(request)
    held = request.operations.deliveries
    queued = held.take_delivery(channel, tag) if held is not None else None
    if queued is None or queued.state != HELD:
        raise _not_held(channel, tag)
    return queued


def _not_held(channel: int, tag: int) -> NotFound:
    return NotFound(f"no delivery {tag} on channel {channel} is held by this connection")


def _number(request: Request, name: str, least: int, most: int) -> int:
    value = request.number(name, least, most)
    if value is None:
        raise PreconditionFailed(f'the request needs "{name}": a number')
    return value


DELIVERY_OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {
    "deliveries.renew": _renew,
    "deliveries.release": _release,
    "deliveries.reject": _reject,
}
