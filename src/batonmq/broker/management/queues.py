"""Requests about queues: list, peek, pause, resume, move, replay, purge, delete."""

from __future__ import annotations

import base64
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING

from batonmq.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.management.request import Answer, Request
    from batonmq.broker.operations.bulk import Sweep
    from batonmq.broker.queues.browsing import Browsed, Browser
    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.vhosts.policies import Policies

PEEK_DEFAULT = 10
PEEK_MAX = 1_000
# An answer ends with the message that makes it this long.
PEEK_BYTES = 4 << 20

PROPERTIES = (
    "content_type",
    "content_encoding",
    "delivery_mode",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
)


def _list(request: Request) -> Answer:
    operations = request.operations
    user, vhost = operations.user, operations.vhost
    visible = [queue for queue in vhost.queues.values() if user.may(vhost.name, "read", queue.name)]
    return {"queues": [describe(queue, vhost.policies) for queue in sorted(visible, key=lambda queue: queue.name)]}


def describe(queue: Queue, policies: Policies) -> Answer:
    """The entry of a queue in listings."""
    policy = policies.of_queue(queue)
    return {
        "name": queue.name,
        "vhost": queue.vhost_name,
        "durable": queue.durable,
        "exclusive": queue.exclusive,
        "auto_delete": queue.auto_delete,
        "arguments": {name: value for name, value in queue.arguments.items() if isinstance(value, str | int | bool)},
        "paused": queue.paused,
        "fault": queue.fault or None,
        "policy": policy.name if policy is not None else None,
        "ready": queue.ready_count,
        "delayed": queue.delayed_count,
        "unsettled": queue.unsettled,
        "consumers": len(queue.consumers),
        "counters": asdict(queue.counts()),
    }


# ---------------------------------------------------------------------- peek


def _peek(request: Request) -> None:
    number = request.number("count", 1, PEEK_MAX)
    browser = request.operations.browse(request.text("queue"), request.selector())
    _Peek(request, browser, number or PEEK_DEFAULT).go_on()


class _Peek:
    """Collects messages for an answer, a few a turn."""

    __slots__ = ("_browser", "_found", "_left", "_request", "_size")

    def __init__(self, request: Request, browser: Browser, number: int) -> None:
        self._request = request
        self._browser = browser
        self._left = number
        self._size = 0
        self._found: list[Answer] = []

    def go_on(self) -> None:
        try:
            browsed = self._browser.read(min(self._left, 50))
        except StoreError as error:
            self._request.refuse(error.reason)
            return
        for message in browsed:
            self._found.append(_shown(message))
            self._size += message.message.weight
        self._left -= len(browsed)
        if self._left and self._size < PEEK_BYTES and not self._browser.finished:
            self._request.wait_for_read(self.go_on)
        else:
            self._request.reply({"messages": self._found})


def _shown(browsed: Browsed) -> Answer:
    message = browsed.message
    properties = message.properties
    shown: Answer = {
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "redelivered": browsed.returns > 0,
        "deliveries": browsed.return_count,
        "expires_at": browsed.expires_at or None,
        "properties": {
            name: readable(value) for name in PROPERTIES if (value := getattr(properties, name)) is not None
        },
        "headers": readable(properties.headers or {}),
        "size": message.size,
    }
    if properties.priority:
        shown["priority"] = properties.priority
    try:
        shown["body"] = message.body.decode()
    except UnicodeDecodeError:
        shown["body_base64"] = base64.b64encode(message.body).decode()
    return shown


def readable(value: object) -> object:
    """A value of a field table in a form that JSON can represent."""
    if isinstance(value, dict):
        return {str(name): readable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [readable(inner) for inner in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, str):
        return str(value).encode(errors="replace").decode()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not isfinite(value):
        # JSON cannot represent such numbers.
        return str(value)
    if isinstance(value, Decimal):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Kinds of numbers have types of their own, which not every encoder knows.
        return int(value)
    if isinstance(value, float):
        return float(value)
    return str(value)


# ---------------------------------------------------------------------- pause and delete


def _pause(request: Request) -> Answer:
    request.operations.pause_queue(request.text("queue"), paused=True)
    return {}


def _resume(request: Request) -> Answer:
    request.operations.pause_queue(request.text("queue"), paused=False)
    return {}


def _delete(request: Request) -> Answer:
    name = request.text("queue")
    queue = request.operations.vhost.queues.get(name)
    # Held and delayed messages go as well.
    beside = 0 if queue is None else queue.unsettled + queue.delayed_count
    return {"count": request.operations.delete_queue(name, must_exist=True) + beside}


# ---------------------------------------------------------------------- what takes time


def _move(request: Request) -> None:
    request.operations.move_messages(
        request.text("queue"),
        request.text("to"),
        _done(request),
        most=request.number("count", 1),
        selector=request.selector(),
    )


def _replay(request: Request) -> None:
    request.operations.replay_queue(
        request.text("queue"), _done(request), to=request.optional_text("to"), most=request.number("count", 1)
    )


def _purge(request: Request) -> Answer | None:
    name = request.text("queue")
    selector = request.selector()
    if selector is None:
        return {"count": request.operations.purge_queue(name)}
    request.operations.purge_messages(name, selector, _done(request))
    return None


def _done(request: Request) -> Callable[[Sweep], None]:
    def done(sweep: Sweep) -> None:
        if sweep.error is not None:
            request.refuse(f"{sweep.error}; {sweep.count} messages were done before")
        else:
            request.reply({"count": sweep.count, "skipped": sweep.skipped})

    return done


QUEUE_OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {
    "queues.list": _list,
    "queues.peek": _peek,
    "queues.pause": _pause,
    "queues.resume": _resume,
    "queues.move": _move,
    "queues.replay": _replay,
    "queues.purge": _purge,
    "queues.delete": _delete,
}
