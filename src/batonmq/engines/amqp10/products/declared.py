"""The options of a queue, kept on a broker that has no place for them: as a message in a queue beside it.

Nobody takes that message; users of the queue browse it. So each process knows what another has declared.
"""

from __future__ import annotations

from typing import Final

import msgspec

from batonmq.engines.messages import Message
from batonmq.engines.values import Fate, QueueOptions
from batonmq.json_text import JsonError, read_json_as
from batonmq.protocols.amqp10.codec.performatives import Header
from batonmq.protocols.amqp10.codec.sections import DATA
from batonmq.protocols.amqp10.codec.values import Described, ULong, encode

__all__ = ["Declared", "first_declared", "place_of"]

_PREFIX: Final = "BatonMQ.declared."


class Declared(msgspec.Struct, frozen=True, omit_defaults=True):
    """The options that we enforce ourselves."""

    max_deliveries: int | None = None
    dead_letter: str | None = None
    retry_delay: float | None = None
    retry_delay_max: float | None = None

    @classmethod
    def of(cls, options: QueueOptions) -> Declared:
        """The record for a queue's options."""
        return cls(options.max_deliveries, options.dead_letter, options.retry_delay, options.retry_delay_max)

    @property
    def fate(self) -> Fate:
        """The dead letter rules."""
        return Fate(self.dead_letter, self.max_deliveries)

    @property
    def payload(self) -> bytes:
        """The message that holds the record."""
        return Header(durable=True).encoded() + encode(Described(ULong(DATA), msgspec.json.encode(self)))

    def wait(self, deliveries: int) -> float | None:
        """How long a message waits when it is given back after that many deliveries."""
        if self.retry_delay is None:
            return None
        most = self.retry_delay if self.retry_delay_max is None else self.retry_delay_max
        return min(self.retry_delay * deliveries, most)


NOTHING: Final = Declared()


def place_of(queue: str) -> str:
    """The name of the queue that holds the record."""
    return _PREFIX + queue


def first_declared(messages: list[Message]) -> Declared | None:
    """Read the record. If several processes declared at the same time, the first counts. None: there is no record."""
    for message in messages:
        try:
            return read_json_as(message.body, Declared)
        except (JsonError, msgspec.ValidationError):
            continue
    return None
