"""Requests about queues: list, peek, pause, resume, move, replay, purge, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.management.descriptions import describe_queue, describe_stats
from batonmq.broker.management.peeking import peek
from batonmq.broker.management.settings import describe_settings
from batonmq.broker.operations.replaying import DiedThere
from batonmq.broker.operations.sweep import NO_ROOM
from batonmq.errors import PreconditionFailed, ResourceError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.management.request import Answer, Request
    from batonmq.broker.model.consumer import Selector
    from batonmq.broker.operations.sweep import Sweep
    from batonmq.fields import FieldValue


def _list(request: Request) -> Answer:
    operations = request.operations
    user, vhost = operations.user, operations.vhost
    visible = [queue for queue in vhost.queues.values() if user.may(vhost.name, "read", queue.name)]
    return {
        "queues": [describe_queue(queue, vhost.policies) for queue in sorted(visible, key=lambda queue: queue.name)]
    }


def _stats(request: Request) -> Answer:
    return describe_stats(request.operations.require_readable(request.text("queue")))


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


def _settings(request: Request) -> Answer:
    operations = request.operations
    return describe_settings(operations, operations.look_up_queue(request.text("queue")))


def _change(request: Request) -> Answer:
    name = request.text("queue")
    request.operations.require_configurable(name)
    changes: dict[str, FieldValue] = {}
    for argument, value in request.table("arguments").items():
        if value is not None and not isinstance(value, str | int | float | bool):
            raise PreconditionFailed(f'"arguments": {argument} is to be a text or a number, or null to take it away')
        changes[argument] = value
    return describe_settings(request.operations, request.operations.change_queue(name, changes))


# ---------------------------------------------------------------------- what takes time


def _move(request: Request) -> None:
    request.operations.move_messages(
        request.text("queue"),
        request.text("to"),
        _done(request),
        most=request.number("count"),
        selector=request.selector(),
    )


def _replay(request: Request) -> None:
    reason, origin = request.optional_text("reason"), request.optional_text("from")
    selector: Selector | None = request.selector()
    if reason is not None or origin is not None:
        selector = DiedThere(reason, origin, selector)
    request.operations.replay_queue(
        request.text("queue"),
        _done(request),
        to=request.optional_text("to"),
        most=request.number("count"),
        selector=selector,
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
            said = f"{sweep.error}; {sweep.count} messages were done before"
            request.refuse(ResourceError(said) if sweep.error == NO_ROOM else StoreError(said))
        else:
            request.reply({"count": sweep.count, "skipped": sweep.skipped})

    return done


QUEUE_OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {
    "queues.list": _list,
    "queues.stats": _stats,
    "queues.peek": peek,
    "queues.pause": _pause,
    "queues.resume": _resume,
    "queues.settings": _settings,
    "queues.change": _change,
    "queues.move": _move,
    "queues.replay": _replay,
    "queues.purge": _purge,
    "queues.delete": _delete,
}
