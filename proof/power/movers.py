"""More clients of a run: messages that come again, are cancelled or delivered at once, and that are moved."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pika

from proof.power.clients import LONG_MS, PATIENCE, SHORT_MS, Run

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["MOVERS"]

MANAGEMENT, REPLIES = "batonmq.management", "amq.rabbitmq.reply-to"
# No second copy of any comes while anybody looks.
FAR_MS = 100 * 24 * LONG_MS


class _Asking:
    """Requests about the broker, which are messages, each answered once it is kept."""

    def __init__(self, channel: BlockingChannel) -> None:
        self._channel = channel
        self._answers: list[bytes] = []
        channel.basic_consume(REPLIES, lambda _channel, _method, _properties, body: self._answers.append(body), True)

    def ask(self, operation: str, **fields: object) -> dict[str, object]:
        """What is answered. Raises RuntimeError when it was refused, or nothing was."""
        request = json.dumps({"operation": operation, **fields}).encode()
        self._channel.basic_publish(MANAGEMENT, "", request, pika.BasicProperties(reply_to=REPLIES))
        self._channel.connection.process_data_events(PATIENCE)
        while not self._answers:
            self._channel.connection.process_data_events(PATIENCE)
        answer: dict[str, object] = json.loads(self._answers.pop())
        if not answer["ok"]:
            raise RuntimeError(f"{operation}: {answer['error']}")
        return answer


def _moves(run: Run) -> None:
    """From one queue to the other, some at a time, in order."""
    here, there = "ordered.here", "ordered.there"
    with run.channel() as channel:
        asking = _Asking(channel)
        for queue in (here, there):
            channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        waiting: list[str] = []
        for name in run.names():
            run.send(channel, name, here)
            waiting.append(name)
            if run.chance.random() < 0.3:
                count = run.chance.randint(1, len(waiting))
                steps = [(one, run.ledger.begin(one, there)) for one in waiting[:count]]
                del waiting[:count]
                asking.ask("queues.move", queue=here, to=there, count=count)
                for step in steps:
                    run.ledger.promise(*step)


def _schedules(run: Run) -> None:
    """Messages that come again: of each, one copy is there in the end, unless it was cancelled before."""
    queue = "scheduled"
    with run.channel() as channel:
        asking = _Asking(channel)
        channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        for name in run.names():
            is_soon = run.chance.random() < 0.3
            delay = run.chance.randint(1, SHORT_MS) if is_soon else LONG_MS
            headers = {"x-delay": delay}
            if repeats := run.chance.random() < 0.6:
                headers |= {"AMQ_SCHEDULED_PERIOD": FAR_MS, "AMQ_SCHEDULED_REPEAT": 3}
            run.send(channel, name, queue, headers=headers)
            if is_soon or (how := run.chance.random()) > 0.6:
                continue
            (number,) = _numbers(asking, queue, name)
            if repeats or how < 0.3:
                step = run.ledger.begin(name)
                asking.ask("queues.cancel", queue=queue, id=number)
                run.ledger.promise(name, step)
            else:
                asking.ask("queues.deliver", queue=queue, id=number)


def _numbers(asking: _Asking, queue: str, name: str) -> list[object]:
    found = asking.ask("queues.delayed", queue=queue, count=1_000)["messages"]
    assert isinstance(found, list)
    return [one["id"] for one in found if str(one["body"]).split(".", 1)[0] == name]


MOVERS: dict[str, Callable[[Run], None]] = {"moves": _moves, "schedules": _schedules}
