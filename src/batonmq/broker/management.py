"""Questions about the broker, asked in messages.

A request is published to the exchange ``batonmq.management`` as JSON with an operation and a reply-to; the answer is
published to the default exchange with the reply-to as the key. It works through every protocol, with the rights of
the user who asks: what he may not read is not shown.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from batonmq.broker.queue import KEPT
from batonmq.errors import BrokerError, PreconditionFailed
from batonmq.message import Message
from batonmq.properties import Properties

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.operations import Operations
    from batonmq.broker.queue import Queue

MANAGEMENT = "batonmq.management"

Answer = dict[str, object]


class ManagementTarget:
    """Takes the requests of one connection."""

    __slots__ = ("durable", "name", "operations")

    def __init__(self, operations: Operations) -> None:
        self.name = MANAGEMENT
        self.durable = False
        self.operations = operations

    def publish(self, message: Message) -> int:
        """Answer a request; one without a reply-to is done all the same."""
        try:
            answer: Answer = {"ok": True, **self._answer(message.body)}
        except BrokerError as error:
            answer = {"ok": False, "error": str(error)}
        reply_to = message.properties.reply_to
        if reply_to:
            vhost = self.operations.vhost
            properties = Properties.make(
                content_type="application/json", correlation_id=message.properties.correlation_id
            )
            reply = Message("", reply_to, properties, json.dumps(answer).encode())
            vhost.publish(reply, vhost.route(vhost.default, [reply_to], {}))
        return KEPT

    def _answer(self, body: bytes) -> Answer:
        try:
            request = json.loads(body)
            operation = OPERATIONS[request["operation"]]
        except (ValueError, KeyError, TypeError):
            known = ", ".join(sorted(OPERATIONS))
            raise PreconditionFailed(f'a request is JSON with an "operation", one of: {known}') from None
        return operation(self.operations, request)


def _list_queues(operations: Operations, _request: Answer) -> Answer:
    visible = [queue for queue in operations.vhost.queues.values() if _may_read(operations, queue)]
    return {"queues": [describe(queue) for queue in sorted(visible, key=lambda queue: queue.name)]}


def _may_read(operations: Operations, queue: Queue) -> bool:
    try:
        operations.user.require(operations.vhost.name, "read", "queue", queue.name)
    except BrokerError:
        return False
    return True


def describe(queue: Queue) -> Answer:
    """A queue as listings show it."""
    return {
        "name": queue.name,
        "vhost": queue.vhost.name,
        "durable": queue.durable,
        "exclusive": queue.exclusive,
        "auto_delete": queue.auto_delete,
        "arguments": {name: value for name, value in queue.arguments.items() if isinstance(value, str | int | bool)},
        "ready": queue.ready_count,
        "unsettled": queue.unsettled,
        "consumers": len(queue.consumers),
    }


OPERATIONS: dict[str, Callable[[Operations, Answer], Answer]] = {"queues.list": _list_queues}
