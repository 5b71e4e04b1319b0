"""Sends dead letters back to where they came from, as they were before they died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import deaths_of, is_death_header
from batonmq.broker.operations.moving import put
from batonmq.broker.operations.sweep import STAYS, Sweep
from batonmq.errors import BrokerError
from batonmq.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.model.consumer import Selector
    from batonmq.broker.queues.queue import Queue
    from batonmq.fields import FieldValue


class Replay(Sweep):
    """Moves dead letters back to the queues that they came from, or to one queue, without their death headers."""

    verb = "replay"

    def __init__(
        self,
        queue: Queue,
        find: Callable[[str], Queue],
        target: Queue | None,
        most: int | None,
        selector: Selector | None,
        done: Callable[[Sweep], None],
        *,
        user: str = "",
    ) -> None:
        """``find`` returns a queue that the user may write to, or raises BrokerError."""
        super().__init__(queue, most, selector, done, to=target.name if target is not None else "", user=user)
        self._find = find
        self._target = target

    def take_over(self, message: Message) -> int:
        headers = message.properties.headers or {}
        target = self._target or self._origin(message, headers)
        if target is None or target is self.queue:
            return STAYS
        return put(target, alive(message, headers))

    def _origin(self, message: Message, headers: dict[str, FieldValue]) -> Queue | None:
        for name in origins(message, headers):
            try:
                queue = self._find(name)
            except BrokerError:
                continue
            if queue is not self.queue:
                return queue
        return None


class DiedThere:
    """Selects dead letters by the reason and the queue of their last death; None: any."""

    __slots__ = ("_queue", "_reason", "_selector")

    def __init__(self, reason: str | None, queue: str | None, selector: Selector | None) -> None:
        """``selector``: a further condition."""
        self._reason = reason
        self._queue = queue
        self._selector = selector

    def matches(self, message: Message) -> bool:
        """Does the message match?"""
        (death,) = deaths_of(message, message.properties.headers or {})[:1] or (None,)
        return (
            death is not None
            and (self._reason is None or death.get("reason") == self._reason)
            and (self._queue is None or death.get("queue") == self._queue)
            and (self._selector is None or self._selector.matches(message))
        )


def origins(message: Message, headers: dict[str, FieldValue]) -> list[str]:
    """The queues that a dead letter was in: the one where it died last, and the one where it died first.

    Headers that a client has written do not count: they could send messages anywhere, with the rights of the user who
    replays.
    """
    if not message.is_dead_letter:
        return []
    names = [death.get("queue") for death in deaths_of(message, headers)[:1]]
    names += [headers.get("x-last-death-queue"), headers.get("x-first-death-queue")]
    return list(dict.fromkeys(str(name) for name in names if isinstance(name, str)))


def alive(message: Message, headers: dict[str, FieldValue]) -> Message:
    """The message as it was before it died: its own headers, and the address that it was published to."""
    if not message.is_dead_letter:
        return message
    (death,) = deaths_of(message, headers)[:1] or ({},)
    # A replayed message starts over.
    own = {name: value for name, value in headers.items() if not is_death_header(name)}
    exchange, keys = death.get("exchange"), death.get("routing-keys")
    key = keys[0] if isinstance(keys, list) and keys else None
    return Message.copy_of(
        message,
        str(exchange) if isinstance(exchange, str) else message.exchange,
        str(key) if isinstance(key, str) else message.routing_key,
        message.properties.replace(headers=own or None),
    )
