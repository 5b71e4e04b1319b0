"""Queues and messages as answers show them: in values that JSON can represent."""

from __future__ import annotations

import base64
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING

from batonmq.broker.model.consumer import Consumer
from batonmq.queued import READY

if TYPE_CHECKING:
    from batonmq.broker.features.delay_lane import Waiting
    from batonmq.broker.management.held import HeldMessage
    from batonmq.broker.model.progress import Progress
    from batonmq.broker.queues.browsing import Browsed
    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.vhosts.policies import Policies
    from batonmq.message import Message

Described = dict[str, object]

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


def describe_queue(queue: Queue, policies: Policies) -> Described:
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


def describe_stats(queue: Queue) -> Described:
    """The figures of a queue."""
    return {
        "ready": queue.ready_count,
        "ready_bytes": queue.ready_bytes,
        "delayed": queue.delayed_count,
        "unsettled": queue.unsettled,
        "consumers": len(queue.consumers),
        "head_timestamp": head_timestamp(queue),
        "counters": asdict(queue.counts()),
    }


def head_timestamp(queue: Queue) -> int | None:
    """The timestamp of the next message; None: it has none, or there is no message in memory."""
    for lane in queue.lanes:
        for queued in lane.ready:
            if queued.state == READY:
                return queued.message.properties.timestamp
    return None


def describe_ready(browsed: Browsed, *, is_raw: bool = False) -> Described:
    """A ready message. ``is_raw``: add its properties and body as in AMQP 0-9-1, in base64."""
    shown = _describe(browsed.message, browsed.returns, browsed.return_count, browsed.expires_at)
    shown["position"] = browsed.position
    if is_raw:
        shown.pop("body", None)
        shown["body_base64"] = base64.b64encode(browsed.message.body).decode()
        shown["raw_properties"] = base64.b64encode(browsed.message.properties.raw).decode()
    return shown


def describe_held(held: HeldMessage, progress: Progress | None) -> Described:
    """A held message."""
    queued = held.queued
    shown = _describe(queued.message, queued.returns, queued.return_count, queued.expires_at)
    shown["held"] = True
    shown["holder"] = {
        "connection": None if held.client is None else held.client.name,
        "channel": held.channel,
        "consumer_tag": queued.holder.tag if isinstance(queued.holder, Consumer) else None,
    }
    shown["position"] = None
    shown["progress"] = describe_progress(progress) if progress is not None else None
    return shown


def describe_progress(progress: Progress) -> Described:
    """The progress that a consumer has reported for a message."""
    return {"fraction": progress.fraction, "note": progress.note, "at": progress.at}


def describe_delayed(waiting: Waiting, *, is_raw: bool = False) -> Described:
    """A delayed message. ``is_raw``: add its properties as in AMQP 0-9-1, in base64."""
    queued = waiting.queued
    is_repeated = waiting.schedule is not None
    # The returns of a repeated message count its repeats.
    returns, count = (0, 0) if is_repeated else (queued.returns, queued.return_count)
    why = "delay"
    if waiting.schedule is not None:
        why = "schedule"
    elif waiting.came_back:
        why = "retry"
    elif waiting.is_kept_back:
        why = "dead-letter"
    shown: Described = {"id": str(waiting.number), "due_at": waiting.due, "why": why}
    if waiting.schedule is not None:
        schedule = waiting.schedule
        shown["schedule"] = {
            "cron": schedule.cron.text if schedule.cron is not None else None,
            "delay": schedule.delay,
            "period": schedule.period or None,
            "repeat": schedule.repeat,
            "repeated": queued.return_count,
        }
    shown.update(_describe(queued.message, returns, count, queued.expires_at))
    if is_raw:
        shown["raw_properties"] = base64.b64encode(queued.message.properties.raw).decode()
    return shown


def _describe(message: Message, returns: int, return_count: int, expires_at: int) -> Described:
    properties = message.properties
    shown: Described = {
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "redelivered": returns > 0,
        "deliveries": return_count,
        "expires_at": expires_at or None,
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
