"""Schedules of handlers: a recurring message, which a queue holds once, however many workers start."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any

from batonmq.api.handlers.handler import Handler
from batonmq.api.options import require_feature
from batonmq.engines.interface import Engine
from batonmq.engines.messages import Message, encode_json
from batonmq.engines.questions import answer_in
from batonmq.engines.schedules import CRON, next_time
from batonmq.errors import NotFound

__all__ = ["Schedule", "check_scheduled", "cron", "keep_schedule"]

# Marks a message, and each copy of it, as sent by a schedule.
TYPE = "batonmq.cron"
# Seconds. Two workers that start together add two messages, and remove one: neither may fire in between.
MARGIN = 1.0
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a handler is called: at each minute that matches a cron expression. Created by ``cron``."""

    expression: str
    """The five fields, separated by single spaces."""


def cron(expression: str) -> Schedule:
    """A schedule: minute, hour, day of the month, month and day of the week, in the local time of the broker's machine.

    Each field is a number, ``*``, a range such as ``1-5``, a list such as ``1,15``, and may have a step (``*/5``).
    Months and days may be named by their first three letters. Raises ValueError for anything else, and for what matches
    no day.
    """
    if not isinstance(expression, str):
        raise TypeError(f"a cron expression is a str, not {type(expression).__name__}")
    try:
        next_time(expression, 0)
    except ValueError as error:
        raise ValueError(f"{expression[:64]!r} is no cron expression: {error}") from None
    return Schedule(" ".join(expression.split()))


def check_scheduled(handler: Handler) -> None:
    """Raises TypeError for a handler that cannot take the empty body of a scheduled message."""
    body = handler.signature.body
    if body is not None and body.annotation not in (bytes, str):
        raise TypeError(f"handler {handler.name}: a schedule sends an empty body, which is no {body.name}")


def keep_schedule(engine: Engine, queue: str, schedule: Schedule) -> None:
    """Have the queue deliver an empty message at each time of this schedule, which replaces any earlier one.

    Blocks. Raises UnsupportedFeature for an engine without schedules, NotFound when there is no such queue, and
    AccessRefused or BrokerError when the broker refuses.
    """
    require_feature(engine.capabilities, engine.capabilities.schedule, "schedule")
    found = _schedules(engine, queue)
    for other, expression in found.items():
        if expression != schedule.expression:
            _cancel(engine, queue, other)
    if schedule.expression not in found.values():
        if engine.capabilities.durable:
            _let_a_firing_pass(schedule)
        message = Message(
            b"",
            id=f"cron {schedule.expression}"[:255],
            type=TYPE,
            headers={CRON: schedule.expression},
        )
        engine.send(queue, [message]).get()
    same = sorted(
        number for number, expression in _schedules(engine, queue).items() if expression == schedule.expression
    )
    # Every worker that sees several keeps the oldest.
    for number in same[1:]:
        _cancel(engine, queue, number)


def _let_a_firing_pass(schedule: Schedule) -> None:
    now = time.time()
    upcoming = next_time(schedule.expression, int(now * 1000)) / 1000
    if 0 < upcoming - now < MARGIN:
        time.sleep(upcoming - now + 0.05)


def _schedules(engine: Engine, queue: str) -> dict[int, str]:
    """The cron expressions of the scheduled messages in a queue, by the numbers of the messages."""
    found: dict[int, str] = {}
    after: object = None
    while True:
        answer = _ask(engine, "queues.schedules", queue=queue, count=PAGE, after=after)
        for one in answer["messages"]:
            if one["properties"].get("type") == TYPE and one["schedule"]["cron"] is not None:
                found[int(one["id"])] = " ".join(one["schedule"]["cron"].split())
        after = answer["next"]
        if after is None:
            return found


def _ask(engine: Engine, operation: str, **fields: object) -> dict[str, Any]:
    """Send a management request. Raises the error in its answer."""
    future = engine.manage(Message(encode_json({"operation": operation, **fields}), durable=False))
    try:
        return answer_in(future.get().body)
    finally:
        engine.forget(future)


def _cancel(engine: Engine, queue: str, number: int) -> None:
    # Another worker may be faster.
    with contextlib.suppress(NotFound):
        _ask(engine, "queues.cancel", queue=queue, id=str(number))
