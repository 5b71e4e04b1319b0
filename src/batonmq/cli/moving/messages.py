"""The messages of one queue, taken to another place: each is accepted here when it is confirmed there."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from typing import Any

from batonmq.cli.failure import Failure
from batonmq.cli.moving.places import Place
from batonmq.engines.interface import Subscription
from batonmq.engines.messages import Message, received_message
from batonmq.engines.values import Incoming
from batonmq.properties import Properties
from batonmq.shovels.translation import translated

__all__ = ["move_delayed", "move_ready"]

# Messages that are sent and confirmed together: what a crash may leave in both places.
BATCH = 200
# How long a queue that gives nothing is asked, in seconds, and how long one that says that it has something.
EMPTY_SECONDS = 0.2
HIDDEN_SECONDS = 3.0


def move_ready(
    source: Place, target: Place, queue: str, advance: Callable[[int], None], stopping: threading.Event
) -> int:
    """Move what is ready until nothing is left, or it is to stop; tells how many messages.

    Raises BatonError, Failure.
    """
    subscription = source.answered(source.engine.subscribe(queue, BATCH))
    moved = 0
    try:
        while not stopping.is_set() and (arrived := _next(source, queue, subscription)):
            can = target.engine.capabilities
            messages = [translated(one.message, can) for one in arrived]
            target.answered(target.engine.send(queue, messages))
            _accept(source, subscription, arrived)
            moved += len(arrived)
            advance(len(arrived))
    finally:
        source.answered(subscription.close())
    return moved


def _next(source: Place, queue: str, subscription: Subscription) -> list[Incoming]:
    future = subscription.receive(BATCH)
    if not future.wait(EMPTY_SECONDS) and not (_has_messages(source, queue) and future.wait(HIDDEN_SECONDS)):
        subscription.withdraw(future)
    return future.get()


def _has_messages(source: Place, queue: str) -> bool:
    return not source.engine.capabilities.count or bool(source.answered(source.engine.count(queue)))


def _accept(source: Place, subscription: Subscription, arrived: list[Incoming]) -> None:
    if source.engine.capabilities.transactions:
        # On the disk when it returns: otherwise a crash would give back more than these.
        source.answered(source.engine.transact([], [(subscription, one) for one in arrived]))
        return
    for one in arrived:
        subscription.settle(one, "accept")


def move_delayed(
    source: Place, target: Place, queue: str, advance: Callable[[int], None], stopping: threading.Event
) -> tuple[int, int]:
    """Move what waits for its time, with the time that is left. How many were moved, and how many stay.

    Messages stay that the other side could not keep back: they are ready here when their time comes.
    """
    moved = stays = 0
    if not target.engine.capabilities.delay:
        listed = source.ask("queues.delayed", queue=queue, count=1) or {}
        return 0, int(listed.get("total", 0))
    after: str | None = None
    while True:
        fields: dict[str, object] = {} if after is None else {"after": after}
        answer = source.ask("queues.delayed", queue=queue, count=BATCH, raw=True, **fields)
        if answer is None:
            return moved, stays
        listed = answer["messages"]
        taken = [one for one in listed if "raw_properties" in one]
        stays += len(listed) - len(taken)
        if taken:
            target.answered(target.engine.send(queue, [_message(one, time.time()) for one in taken]))
            for one in taken:
                # Its time may have come meanwhile: then it is ready, and comes that way too.
                _cancel(source, queue, str(one["id"]))
            moved += len(taken)
            advance(len(taken))
        after = answer.get("next")
        if after is None or stopping.is_set():
            return moved, stays


def _cancel(source: Place, queue: str, number: str) -> None:
    try:
        source.ask("queues.cancel", queue=queue, id=number)
    except Failure as error:
        if "no delayed message" not in str(error):
            raise


def _message(described: dict[str, Any], now: float) -> Message:
    body = described.get("body")
    content = body.encode() if isinstance(body, str) else base64.b64decode(described["body_base64"])
    properties = Properties.decode(base64.b64decode(described["raw_properties"]))
    if described["why"] == "schedule":
        # What is in its headers makes it wait there as it did here.
        return received_message(content, properties)
    headers = {name: value for name, value in (properties.headers or {}).items() if name != "x-delay"}
    return received_message(
        content, properties.replace(headers=headers or None), max(described["due_at"] / 1000 - now, 0.0)
    )
