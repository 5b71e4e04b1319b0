"""Requests about the deliveries that a connection holds, for operations that AMQP lacks.

They accept a delivery in the transaction of another channel, renew it, release it with a delay, reject it with a
reason, report progress, or give back messages that nobody has seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.progress import NOTE_MAX, Progress
from batonmq.broker.model.settings import TIME_MAX
from batonmq.errors import NotFound, PreconditionFailed
from batonmq.queued import HELD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.broker.management.request import Answer, Request
    from batonmq.queued import QueuedMessage, Settlement

# How many deliveries a request may name: as many as basic.qos lets a consumer have (AMQP 0-9-1, 1.8.3.1).
UNSEEN_MAX = 65_535
# The request that may be part of a transaction, of whichever channel of AMQP 0-9-1.
ACCEPTANCE = "deliveries.accept"


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


def _unseen(request: Request) -> Answer:
    """Give back a range of the channel's deliveries, uncounted, as they were only prefetched."""
    channel, first = _delivery(request)
    last = _number(request, "last", first, first + UNSEEN_MAX)
    held = request.operations.deliveries
    back: dict[Settlement, list[QueuedMessage]] = {}
    for tag in range(first, last + 1):
        queued = held.take_delivery(channel, tag) if held is not None else None
        if queued is not None and queued.state == HELD:
            back.setdefault(queued.settlement, []).append(queued)
    for settlement, messages in back.items():
        settlement.release(messages, failed=False, counted=False)
    return {}


def _reject(request: Request) -> Answer:
    reason = request.text("reason")
    queued = _taken(request)
    queued.settlement.reject(queued, reason)
    return {}


def _progress(request: Request) -> Answer:
    """Note progress, for people: the delivery is not changed."""
    channel, tag = _delivery(request)
    permille = _number(request, "permille", 0, 1000)
    note = request.optional_text("note") or ""
    held = request.operations.deliveries
    queued = held.find_delivery(channel, tag) if held is not None else None
    if queued is None or queued.state != HELD:
        raise _not_held(channel, tag)
    vhost = request.operations.vhost
    now = round(vhost.scheduler.clock.time() * 1000)
    vhost.progress.note(queued, Progress(permille / 1000, note[:NOTE_MAX], now))
    return {}


def _accept(request: Request) -> Answer:
    queued = _taken(request)
    queued.settlement.accept(queued)
    return {}


def delivery_in(fields: Mapping[str, object]) -> tuple[int, int]:
    """The channel and the delivery tag that the fields of a request name. Raises PreconditionFailed."""
    found = []
    for name, most in (("channel", 65_535), ("delivery_tag", 2**63 - 1)):
        value = fields.get(name)
        if value is None:
            raise PreconditionFailed(f'the request needs "{name}": a number')
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise PreconditionFailed(f'"{name}" is to be a number from 0 to {most}')
        found.append(value)
    return found[0], found[1]


def _delivery(request: Request) -> tuple[int, int]:
    # Sessions of AMQP 1.0 and their deliveries are numbered from 0.
    return delivery_in(request.fields)


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
    "deliveries.progress": _progress,
    ACCEPTANCE: _accept,
    "deliveries.renew": _renew,
    "deliveries.release": _release,
    "deliveries.reject": _reject,
    "deliveries.unseen": _unseen,
}
