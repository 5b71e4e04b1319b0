"""Peeking: the first messages of a queue, looked at some at a time, with the broker's work in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.management.descriptions import describe_ready
from batonmq.errors import StoreError

if TYPE_CHECKING:
    from batonmq.broker.management.request import Answer, Request
    from batonmq.broker.queues.browsing import Browser

PEEK_DEFAULT = 10
PEEK_MAX = 1_000
# An answer ends with the message that makes it this long.
PEEK_BYTES = 4 << 20
# So many are described at once.
AT_ONCE = 50


def peek(request: Request) -> None:
    """Answer with the first ready messages that match the selector. Raises BrokerError."""
    number = request.number("count", 1, PEEK_MAX)
    browser = request.operations.browse(request.text("queue"), request.selector())
    _Peek(request, browser, number or PEEK_DEFAULT).go_on()


class _Peek:
    """Collects messages for an answer, a few a turn."""

    __slots__ = ("_browser", "_found", "_left", "_request", "_size")

    def __init__(self, request: Request, browser: Browser, number: int) -> None:
        self._request = request
        self._browser = browser
        self._left = number
        self._size = 0
        self._found: list[Answer] = []

    def go_on(self) -> None:
        try:
            browsed = self._browser.read(min(self._left, AT_ONCE))
        except StoreError as error:
            self._request.refuse(error)
            return
        for message in browsed:
            self._found.append(describe_ready(message))
            self._size += message.message.weight
        self._left -= len(browsed)
        if self._left and self._size < PEEK_BYTES and not self._browser.finished:
            self._request.wait_for_read(self.go_on)
        else:
            self._request.reply({"messages": self._found})
