"""Management requests that BatonMQ's broker answers, over whatever channel an engine has (`broker/management/`)."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.interface import Engine
from batonmq.engines.messages import Message, received_message
from batonmq.engines.steps import Steps, wait_for
from batonmq.engines.values import QueueOptions
from batonmq.errors import CONDITIONS, BrokerError
from batonmq.json_text import JsonError, read_json_as
from batonmq.properties import Properties

__all__ = ["Ask", "answer_in", "asking", "list_queues", "move", "peek", "stats"]

Answer: TypeAlias = dict[str, object]
Ask: TypeAlias = Callable[[Mapping[str, object]], Steps[Answer]]
"""Sends one request. Raises the error in the answer."""

# The most messages in one answer.
PEEK_MOST = 1_000


def asking(engine: Engine) -> Ask:
    """Ask by the engine's ``manage``."""

    def ask(request: Mapping[str, object]) -> Steps[Answer]:
        body = msgspec.json.encode(request)
        answer = yield from wait_for(engine.manage(Message(body, content_type="application/json", durable=False)))
        return answer_in(answer.body)

    return ask


def answer_in(body: bytes) -> Answer:
    """The result in an answer. Raises the error whose condition it tells, and BrokerError for any other."""
    try:
        answer = read_json_as(body, dict[str, object])
    except (JsonError, msgspec.ValidationError) as error:
        raise BrokerError(f"the broker's answer cannot be read: {error}") from None
    if answer.get("ok") is True:
        return answer
    text = str(answer.get("error", "the broker refused it without a reason"))
    raise CONDITIONS.get(str(answer.get("condition")), BrokerError)(text)


def list_queues(ask: Ask) -> Steps[list[QueueInfo]]:
    """All queues that the user may read, by name."""
    answer = yield from ask({"operation": "queues.list"})
    return [_info(one) for one in _tables(answer.get("queues"))]


def _info(told: Mapping[str, object]) -> QueueInfo:
    kind = "exclusive queue" if told.get("exclusive") else "queue"
    arguments = told.get("arguments")
    options = QueueOptions.of_arguments(
        arguments if isinstance(arguments, dict) else {}, durable=told.get("durable") is True
    )
    return QueueInfo(str(told.get("name")), kind, options)


def stats(ask: Ask, queue: str) -> Steps[QueueStats]:
    """The figures of a queue. NotFound, AccessRefused."""
    told = yield from ask({"operation": "queues.stats", "queue": queue})
    counters = told.get("counters")
    counted = counters if isinstance(counters, dict) else {}
    made = _number(told.get("head_timestamp"))
    return QueueStats(
        ready=_number(told.get("ready")) or 0,
        held=_number(told.get("unsettled")),
        delayed=_number(told.get("delayed")),
        consumers=_number(told.get("consumers")),
        bytes=_number(told.get("ready_bytes")),
        oldest=None if made is None else max(0.0, time.time() - made),
        entered=_number(counted.get("enqueued")),
        accepted=_number(counted.get("accepted")),
    )


def peek(ask: Ask, queue: str, most: int) -> Steps[list[Message]]:
    """The first ready messages, in order. NotFound, AccessRefused, BrokerError."""
    found: list[Message] = []
    while len(found) < most:
        count = min(most - len(found), PEEK_MOST)
        request = {"operation": "queues.peek", "queue": queue, "count": count, "after": len(found), "raw": True}
        shown = _tables((yield from ask(request)).get("messages"))
        found += [_message(one) for one in shown]
        # An answer ends early where it has grown too large, and is empty at the end of the queue.
        if not shown:
            break
    return found


def _message(shown: Mapping[str, object]) -> Message:
    body, properties = (base64.b64decode(str(shown.get(name, ""))) for name in ("body_base64", "raw_properties"))
    return received_message(body, Properties.decode(properties))


def move(ask: Ask, source: str, target: str | None, most: int) -> Steps[int]:
    """Move ready messages to another queue, or (None) each to where it died; returns how many. NotFound, ResourceError.

    Each message is moved in one commit.
    """
    request: dict[str, object] = {"operation": "queues.replay", "queue": source, "count": most}
    if target is not None:
        request["to"] = target
    return _number((yield from ask(request)).get("count")) or 0


def _tables(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
