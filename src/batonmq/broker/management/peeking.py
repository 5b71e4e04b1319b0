"""Peeking: shows the first messages of a queue, collected a few per turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.management.descriptions import describe_held, describe_ready
from batonmq.broker.management.held import find_held
from batonmq.broker.queues.browsing import Browser
from batonmq.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batonmq.broker.management.held import HeldMessage
    from batonmq.broker.management.request import Answer, Request
    from batonmq.broker.model.consumer import Selector

PEEK_DEFAULT = 10
PEEK_MAX = 1_000
# An answer ends with the message that makes it this long.
PEEK_BYTES = 4 << 20
# This many are described at once.
AT_ONCE = 50


def peek(request: Request) -> None:
    """Answer with the first ready messages that match the selector. Raises BrokerError.

    With "held", held messages come first. "after" skips that many ready messages.
    """
    number = request.number("count", 1, PEEK_MAX) or PEEK_DEFAULT
    after = request.number("after") or 0
    is_held, is_raw = request.flag("held"), request.flag("raw")
    selector = request.selector()
    queue = request.operations.require_readable(request.text("queue"))
    peeking = _Peek(request, Browser(queue, selector), number, after, is_raw=is_raw)
    if is_held:
        _Held(peeking, find_held(request.operations.vhost, queue), selector).go_on()
    else:
        peeking.go_on()


class _Peek:
    """Collects messages for an answer, a few per turn."""

    __slots__ = ("_after", "_browser", "_found", "_is_raw", "_left", "_request", "_size")

    def __init__(self, request: Request, browser: Browser, number: int, after: int, *, is_raw: bool) -> None:
        self._request = request
        self._browser = browser
        self._left = number
        # How many are still to be skipped.
        self._after = after
        self._is_raw = is_raw
        self._size = 0
        self._found: list[Answer] = []

    def begin_with(self, held: list[HeldMessage]) -> None:
        """Show these first."""
        for one in held:
            if not self._left or self._size >= PEEK_BYTES:
                break
            self._found.append(describe_held(one, self._request.operations.vhost.progress.of(one.queued)))
            self._size += one.queued.message.weight
            self._left -= 1
        self._request.wait_for_read(self.go_on)

    def wait(self, again: Callable[[], None]) -> None:
        """Continue in another turn."""
        self._request.wait_for_read(again)

    def go_on(self) -> None:
        """Collect some, and go on in another turn, or answer."""
        if not self._left:
            self._request.reply({"messages": self._found})
            return
        try:
            browsed = self._browser.read(min(self._after + self._left, AT_ONCE))
        except StoreError as error:
            self._request.refuse(error)
            return
        left_out = min(self._after, len(browsed))
        self._after -= left_out
        browsed = browsed[left_out:]
        for message in browsed:
            self._found.append(describe_ready(message, is_raw=self._is_raw))
            self._size += message.message.weight
        self._left -= len(browsed)
        if self._left and self._size < PEEK_BYTES and not self._browser.finished:
            self._request.wait_for_read(self.go_on)
        else:
            self._request.reply({"messages": self._found})


class _Held:
    """Finds held messages, some connections per turn."""

    __slots__ = ("_found", "_peek", "_selector", "_steps")

    def __init__(self, peeking: _Peek, steps: Iterator[HeldMessage | None], selector: Selector | None) -> None:
        self._peek = peeking
        self._steps = steps
        self._selector = selector
        self._found: list[HeldMessage] = []

    def go_on(self) -> None:
        """Check some, and continue in another turn, or show the result in the queue's order."""
        for held in self._steps:
            if held is None:
                self._peek.wait(self.go_on)
                return
            if self._selector is None or self._selector.matches(held.queued.message):
                self._found.append(held)
        self._found.sort(key=lambda held: held.queued.row)
        self._peek.begin_with(self._found)
