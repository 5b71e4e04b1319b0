"""Requests to the management exchange, over AMQP 0-9-1."""

from __future__ import annotations

import json

from tests.support.wire import Channel

MANAGEMENT = "batonmq.management"


def request(ch: Channel, **fields: object) -> dict[str, object]:
    """The answer to a request, over a queue of its own."""
    replies = str(ch.queue("", exclusive=True).queue)
    ch.publish("", json.dumps(fields).encode(), exchange=MANAGEMENT, reply_to=replies)
    answer: dict[str, object] = json.loads(ch.await_one(replies).body)
    return answer
