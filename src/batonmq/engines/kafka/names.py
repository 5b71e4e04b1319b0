"""Which topic a queue has, by its name alone.

A queue has the topic of its name. A dead letter queue cannot: Kafka drops dead letters unless the topic's name begins
with a prefix configured in the brokers. Its topic is called ``PREFIXbatonmq.NAME``. No queue may have such a name
itself, and a foreign topic, such as ``PREFIXNAME``, is never taken for it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from batonmq.errors import PreconditionFailed

__all__ = ["PREFIX", "Names", "Topic"]

PREFIX: Final = "dlq."
"""The brokers' default prefix (errors.deadletterqueue.topic.name.prefix)."""
MARK: Final = "batonmq."
LEGAL: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")


class Topic(NamedTuple):
    """Where a queue's messages are."""

    name: str
    partitions: list[int]


class Names:
    """The names of queues and topics, where dead letters go to topics with this prefix."""

    def __init__(self, prefix: str = PREFIX) -> None:
        self.prefix = prefix
        self._marked = prefix + MARK

    def check(self, queue: str) -> None:
        """Raises PreconditionFailed for the topic of a queue with another name."""
        if queue.startswith(self._marked):
            raise PreconditionFailed(f"topic '{queue}' is the queue '{self.queue(queue)}': call it that")

    def check_new(self, queue: str, *, takes_dead_letters: bool = False) -> None:
        """Raises PreconditionFailed for a name that Kafka does not allow, or that ``check`` refuses."""
        self.check(queue)
        topic = self.for_dead_letters(queue) if takes_dead_letters else queue
        if LEGAL.fullmatch(topic) is None or topic in (".", ".."):
            raise PreconditionFailed(
                f"queue '{queue}' cannot be topic '{topic}': Kafka's names have letters of ASCII, digits, '.', '_' and "
                "'-', no more than 249 of them"
            )

    def for_dead_letters(self, queue: str) -> str:
        """The topic of a queue that takes dead letters."""
        return queue if queue.startswith(self.prefix) else self._marked + queue

    def other(self, queue: str) -> str | None:
        """The topic that a queue has if it takes dead letters; None: the one of its name, in any case."""
        topic = self.for_dead_letters(queue)
        return None if topic == queue else topic

    def queue(self, topic: str) -> str:
        """The queue of a topic."""
        return topic.removeprefix(self._marked)
