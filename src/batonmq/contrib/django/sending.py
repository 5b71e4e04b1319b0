"""Hands a task to its queue: through the outbox, after the commit, or at once."""

from __future__ import annotations

import json
import logging
from datetime import datetime

from django.db import connections, transaction
from django.utils import timezone

from batonmq import Connection, Message
from batonmq.api.outbox.libraries import database_of
from batonmq.api.outbox.outbox import Outbox
from batonmq.api.outbox.writing import Writing
from batonmq.contrib.django.compat import InvalidTask
from batonmq.contrib.django.connections import ANYTHING, connection_to, priority_levels
from batonmq.contrib.django.models import Task as Record
from batonmq.contrib.django.options import BackendOptions, Route
from batonmq.engines.values import Capabilities
from batonmq.errors import ConnectionLost, UnsupportedFeature

__all__ = ["hand_over", "record_in", "retry"]

log = logging.getLogger("batonmq.django")

PRIORITY_MIN, PRIORITY_MAX = -100, 100
MOMENTS = ("run_after", "enqueued_at")
# The fields of the row that a message carries if the row may never be committed.
CARRIED = ("backend", "queue_name", "task_path", "priority", "args", "kwargs", *MOMENTS)


def hand_over(route: Route, record: Record, *, on_commit: bool = True) -> None:
    """Call it in the transaction that wrote the row: queue the message in the outbox, or send it.

    Raises InvalidTask.
    """
    queue, options = route.queue, route.options
    try:
        mq = connection_to(options, queue)
    except ConnectionLost as error:
        if not (options.outbox and on_commit):
            raise
        # Whoever relays will reach the broker later.
        log.warning("task %s waits in the outbox: %s", record.id, error)
        mq = None
    can = ANYTHING if mq is None else mq.capabilities
    message = _message(record, can, options, is_whole=not on_commit)
    try:
        if not on_commit:
            _check(mq).send(queue, message)
        elif options.outbox:
            database = connections[route.database]
            own = Outbox(Writing(database_of(database), lambda: None), can) if mq is None else mq.outbox(database)
            with own as outbox:
                outbox.send(queue, message)
        else:
            if message.delay and not can.delay:
                raise UnsupportedFeature(f"{can.engine}: delay")
            transaction.on_commit(lambda: _send(route, record, _check(mq), message), using=route.database)
    except UnsupportedFeature as error:
        raise InvalidTask(f"{record.task_path} cannot be enqueued: {error}") from None


def _check(mq: Connection | None) -> Connection:
    assert mq is not None
    return mq


def _send(route: Route, record: Record, mq: Connection, message: Message) -> None:
    """Send after the commit. If this raises, the task was not enqueued."""
    try:
        mq.send(route.queue, message)
    except BaseException:
        Record.objects.using(route.database).filter(pk=record.pk).delete()
        raise


def _message(record: Record, can: Capabilities, options: BackendOptions, *, is_whole: bool) -> Message:
    delay = max(0.0, (record.run_after - timezone.now()).total_seconds()) if record.run_after else 0.0
    levels = priority_levels(can, options)
    share = (record.priority - PRIORITY_MIN) / (PRIORITY_MAX - PRIORITY_MIN)
    body: dict[str, object] = {"task": record.id}
    if is_whole:
        body["record"] = {name: _said(getattr(record, name)) for name in CARRIED}
    return Message(
        json.dumps(body).encode(),
        # A retry has an id of its own: deduplication must not take it for the first message.
        id=f"{record.id}:{record.version}",
        content_type="application/json",
        correlation_id=record.id,
        type=record.task_path if len(record.task_path.encode()) <= 255 else None,
        priority=round(share * levels) if can.priority else 0,
        delay=delay,
    )


def _said(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def record_in(task_id: str, carried: dict[str, object]) -> Record:
    """The row, rebuilt from the fields that its message carries."""
    values = {name: carried[name] for name in CARRIED}
    for name in MOMENTS:
        said = values[name]
        values[name] = datetime.fromisoformat(said) if isinstance(said, str) else None
    return Record(id=task_id, **values)


def retry(route: Route, record: Record) -> bool:
    """Have a task run once more, as if it had just been enqueued; False: it has changed meanwhile."""
    with transaction.atomic(using=route.database):
        is_changed = record.change(
            route.database,
            status=Record.Status.READY,
            run_after=None,
            enqueued_at=timezone.now(),
            started_at=None,
            last_attempted_at=None,
            finished_at=None,
            worker_ids=[],
            return_value=None,
            message_id="",
        )
        if not is_changed:
            return False
        hand_over(route, record)
    return True
