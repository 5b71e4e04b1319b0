"""Direct reply-to: replies go straight to the consumer that waits for them, without a queue.

A client that consumes from the pseudo-queue ``amq.rabbitmq.reply-to`` gets a token, and its requests carry the token as
their reply-to. A message published to the default exchange with the token as routing key is delivered to it at once.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from batonmq.broker.model.consumer import Source
from batonmq.broker.model.outcomes import KEPT
from batonmq.queued import QueuedMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batonmq.broker.model.consumer import Consumer
    from batonmq.fields import FieldValue
    from batonmq.message import Message

REPLY_TO: Final = "amq.rabbitmq.reply-to"
PREFIX: Final = REPLY_TO + "."


def is_volatile(name: str) -> bool:
    """Is the name reserved for direct replies, so that no queue can have it?"""
    return name.startswith(REPLY_TO)


class Nobody(Source):
    """The queue and the settlement of direct replies, which are in no queue and gone once they are delivered."""

    __slots__ = ()

    name = ""
    deleted = False
    fault = ""

    def accept(self, queued: QueuedMessage) -> None:
        """Ignored: replies are not settled."""

    def accept_all(self, held: list[QueuedMessage]) -> None:
        """Ignored: replies are not settled."""

    def release(
        self, held: list[QueuedMessage], delay: int | None = None, *, failed: bool = True, counted: bool = True
    ) -> None:
        """Does nothing: there is no queue to return to."""

    def reject(self, queued: QueuedMessage, reason: str = "", condition: str = "") -> None:
        """Ignored: replies are not settled."""

    def modify(
        self,
        held: list[QueuedMessage],
        headers: Mapping[str, FieldValue] | None = None,
        *,
        failed: bool = False,
        elsewhere: bool = False,
        delay: int | None = None,
    ) -> bool:
        """Does nothing: there is no queue to return to."""
        return False

    def unsettle(self, queued: QueuedMessage) -> None:
        """Nothing was settled."""

    def renew(self, queued: QueuedMessage, seconds: float) -> bool:
        """It has no deadline, and is not held."""
        return False

    def lost(self, queued: QueuedMessage) -> None:
        """No store has it."""

    def touch(self) -> None:
        """There is nothing to hand out."""

    def offer(self, consumer: Consumer) -> None:
        """Does nothing: no replies wait."""

    def withdraw(self, consumer: Consumer) -> None:
        """Does nothing: no replies wait."""

    def unsubscribe(self, consumer: Consumer) -> None:
        """Does nothing: receivers of replies are found by their address."""

    def drain(self, consumer: Consumer) -> None:
        """Calls ``drained``: nothing is waiting for it."""
        consumer.drained()

    def stop_draining(self, consumer: Consumer) -> None:
        """Does nothing: it has been told."""

    @property
    def ready_count(self) -> int:
        """None wait."""
        return 0

    def dispatch(self) -> None:
        """Does nothing: no replies wait."""

    def struck(self, reason: str, now: float) -> tuple[int, bool]:
        """Counts none: it has no work."""
        return 0, False

    def set_aside(self, reason: str) -> None:
        """Does nothing: it has no work."""


NOBODY: Final = Nobody()


class ReplyTarget:
    """A consumer that waits for direct replies."""

    __slots__ = ("consumer", "name", "survives_restart")

    def __init__(self, name: str, consumer: Consumer) -> None:
        self.name = name
        self.survives_restart = False
        self.consumer = consumer

    def has_room_for(self, size: int) -> bool:
        """Always."""
        return True

    def has_room_for_all(self, messages: Sequence[Message]) -> bool:
        """Always."""
        return True

    def publish(self, message: Message) -> int:
        """Deliver the message at once; there is no queue in which it could wait."""
        # Nobody settles a message that is never queued.
        self.consumer.deliver(QueuedMessage(message, NOBODY, 0))
        return KEPT

    def expect(self, message: Message) -> None:
        """Does nothing: replies are not kept."""


class ReplyDesk:
    """The waiting consumers of a virtual host, by token."""

    __slots__ = ("_changed", "_targets")

    def __init__(self, changed: Callable[[], None]) -> None:
        """``changed`` is called when an address is added or removed: cached routes to it are then invalid."""
        self._changed = changed
        self._targets: dict[str, ReplyTarget] = {}

    def open(self, consumer: Consumer) -> str:
        """Give a consumer a token that cannot be guessed."""
        name = PREFIX + secrets.token_urlsafe(24)
        self._targets[name] = ReplyTarget(name, consumer)
        self._changed()
        return name

    def close(self, name: str) -> None:
        """Remove the address of a former consumer; later replies are dropped."""
        if self._targets.pop(name, None) is not None:
            self._changed()

    def has(self, name: str) -> bool:
        """Is it the pseudo-queue itself, or the address of a waiting consumer?"""
        return name == REPLY_TO or name in self._targets

    def find(self, name: str) -> ReplyTarget | None:
        """The consumer that waits at that address; None: nobody does."""
        return self._targets.get(name)
