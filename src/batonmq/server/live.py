"""Parts of the configuration that change while the broker runs."""

from __future__ import annotations

from typing import Generic, TypeVar

from batonmq.server.config import Config

__all__ = ["Live", "LiveTables"]

_Value = TypeVar("_Value")


class Live(Generic[_Value]):
    """A table of the configuration: what begins from now on goes by the value of now."""

    __slots__ = ("value",)

    def __init__(self, value: _Value) -> None:
        self.value = value

    def change(self, value: _Value) -> None:
        """Whatever begins after this goes by another value."""
        self.value = value


class LiveTables:
    """The tables that say how the clients of each protocol are served."""

    def __init__(self, config: Config) -> None:
        self.amqp = Live(config.amqp)
        self.amqp10 = Live(config.amqp10)
        self.stomp = Live(config.stomp)
        self.websocket = Live(config.websocket)

    def change(self, config: Config) -> None:
        """Clients that come from now on are served as this says."""
        self.amqp.change(config.amqp)
        self.amqp10.change(config.amqp10)
        self.stomp.change(config.stomp)
        self.websocket.change(config.websocket)
