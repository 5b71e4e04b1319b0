"""connection.blocked, RabbitMQ's extension: tells clients that asked for it when the store takes no messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.encoder import method_frame

if TYPE_CHECKING:
    from batonmq.errors import StoreError
    from batonmq.protocols.sessions.output import Output


class Blocking:
    """A ``StoreObserver`` of the broker, while the connection is open."""

    __slots__ = ("_output",)

    def __init__(self, output: Output) -> None:
        self._output = output

    def store_failing(self, error: StoreError) -> None:
        """The store takes no messages."""
        self._output.send(method_frame(0, methods.ConnectionBlocked(reason=error.reason[:200])))

    def store_recovered(self) -> None:
        """It takes messages again."""
        self._output.send(method_frame(0, methods.ConnectionUnblocked()))
