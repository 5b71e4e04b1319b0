"""Parts of the configuration that change while the broker runs."""

from __future__ import annotations

from typing import Generic, TypeVar

from batonmq.server.config import Config

__all__ = ["Live", "LiveTables"]

_Value = TypeVar("_Value")


class Live(Generic[_Value]):
    """A table of the configuration whose value may change; what starts later uses the current value."""

    __slots__ = ("value",)

    def __init__(self, value: _Value) -> None:
        self.value = value

    def change(self, value: _Value) -> None:
        """Replace the value, for everything that starts after this."""
        self.value = value


class LiveTables:
    """The tables for clients of each protocol."""

    def __init__(self, config: Config) -> None:
        self.amqp = Live(config.amqp)
        self.amqp10 = Live(config.amqp10)
        self.stomp = Live(config.stomp)
        self.websocket = Live(config.websocket)

    def change(self, config: Config) -> None:
        """Set the configuration for clients that connect from now on."""
        self.amqp.change(config.amqp)
        self.amqp10.change(config.amqp10)
        self.stomp.change(config.stomp)
        self.websocket.change(config.websocket)
