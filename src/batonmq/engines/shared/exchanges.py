"""Exchanges and bindings of a file that another process has."""

from __future__ import annotations

from batonmq.engines.exchanges import Change, Exchanges, Standing
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.engines.shared import commands, wire
from batonmq.engines.shared.calling import Calls
from batonmq.engines.shared.calls import Call, as_count, as_standing

__all__ = ["SharedExchanges"]


class SharedExchanges(Exchanges):
    """Every change and every message is asked of the owner of the file, and of the next one if the first goes."""

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
