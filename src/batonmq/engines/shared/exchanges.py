"""Exchanges and bindings of a file that another process owns."""

from __future__ import annotations

from batonmq.engines.exchanges import Change, Exchanges, Standing
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.engines.shared import commands, wire
from batonmq.engines.shared.calling import Calls
from batonmq.engines.shared.calls import Call, as_count, as_standing

__all__ = ["SharedExchanges"]


class SharedExchanges(Exchanges):
    """Sends every change and message to the owner of the file, and to the next one if that one goes."""

    __slots__ = ("_calls",)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def change(self, change: Change, *, flushed: bool) -> Future[Standing]:
        future: Future[Standing] = Future()
        self._calls.ask(Call(commands.Arrange(0, change, flushed), future, as_standing, "again"))
        return future

    def publish(self, exchange: str, key: str, message: Message, *, flushed: bool) -> Future[int]:
        future: Future[int] = Future()
        command = commands.Publish(0, 0, exchange, key, wire.message_to(message), flushed)
        self._calls.ask(Call(command, future, as_count, "once"))
        return future
