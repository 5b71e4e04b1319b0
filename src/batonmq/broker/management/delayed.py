"""Requests about delayed messages: list them, cancel one, deliver one now."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from batonmq.broker.management.descriptions import describe_delayed
from batonmq.broker.management.peeking import AT_ONCE, PEEK_BYTES, PEEK_DEFAULT, PEEK_MAX
from batonmq.errors import BrokerError, NotFound, PreconditionFailed, StoreError
from batonmq.store.records import POSITION_MASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.features.delay_lane import Waiting
    from batonmq.broker.management.request import Answer, Request
    from batonmq.broker.queues.queue import Queue

# A list of schedules checks this many messages, most of which may have none; the next page continues from there.
LOOKS = 10_000


def _list(request: Request) -> None:
    _begin(request, lambda _: True)


def _schedules(request: Request) -> None:
    _begin(request, lambda waiting: waiting.schedule is not None)


def _begin(request: Request, is_wanted: Callable[[Waiting], bool]) -> None:
    queue = request.operations.require_readable(request.text("queue"))
    number = request.number("count", 1, PEEK_MAX) or PEEK_DEFAULT
    _List(request, queue, number, _place(request.optional_text("after")), is_wanted).go_on()


def _place(text: str | None) -> tuple[int, int]:
    """What an answer gave as "next": a time and a number. Raises PreconditionFailed."""
    if text is None:
        return 0, 0
    due, _, number = text.partition("-")
    if not (_is_number(due) and _is_number(number)):
        raise PreconditionFailed('"after" is to be what an answer has given as "next"')
    return int(due), int(number)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


class _List:
    """Collects messages for an answer, a few a turn."""

    __slots__ = ("_after", "_found", "_is_raw", "_is_wanted", "_left", "_looks", "_queue", "_request", "_size")

    def __init__(
        self,
        request: Request,
        queue: Queue,
        number: int,
        after: tuple[int, int],
        is_wanted: Callable[[Waiting], bool],
    ) -> None:
        self._is_raw = request.flag("raw")
        self._request = request
        self._queue = queue
        self._left = number
        self._after = after
        self._is_wanted = is_wanted
        self._looks = LOOKS
        self._size = 0
        self._found: list[Answer] = []

    def go_on(self) -> None:
        delays = self._queue.delays
        if delays is None:
            self._end(is_last=True)
            return
        try:
            waiting = delays.listed(self._after, AT_ONCE)
        except StoreError as error:
            self._request.refuse(error)
            return
        if waiting is None:
            self._request.wait_for_read(self.go_on)
            return
        for one in waiting:
            self._after = (one.due, one.number)
            self._looks -= 1
            if self._is_wanted(one):
                self._found.append(describe_delayed(one, is_raw=self._is_raw))
                self._size += one.queued.message.weight
                self._left -= 1
            if not self._left or self._size >= PEEK_BYTES:
                self._end(is_last=one is waiting[-1] and len(waiting) < AT_ONCE)
                return
        if len(waiting) < AT_ONCE:
            self._end(is_last=True)
        elif self._looks <= 0:
            self._end(is_last=False)
        else:
            self._request.wait_for_read(self.go_on)

    def _end(self, *, is_last: bool) -> None:
        due, number = self._after
        self._request.reply(
            {
                "messages": self._found,
                "total": self._queue.delayed_count,
                "next": None if is_last else f"{due}-{number}",
            }
        )


def _cancel(request: Request) -> Answer | None:
    return _attempt(request, request.operations.cancel_delayed)


def _deliver(request: Request) -> Answer | None:
    return _attempt(request, request.operations.deliver_delayed)


def _attempt(request: Request, verb: Callable[[str, int], bool]) -> Answer | None:
    name = request.text("queue")
    # Check the rights before revealing anything about the queue.
    request.operations.require_writable(name)
    text = request.text("id")
    if not _is_number(text) or int(text) > POSITION_MASK:
        raise NotFound(f"no delayed message '{text[:64]}'")
    if verb(name, int(text)):
        return {}
    request.wait_for_read(partial(_attempt_again, request, verb))
    return None


def _attempt_again(request: Request, verb: Callable[[str, int], bool]) -> None:
    try:
        answer = _attempt(request, verb)
    except (BrokerError, StoreError) as error:
        request.refuse(error)
        return
    if answer is not None:
        request.reply_when_kept(answer)


DELAYED_OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {
    "queues.delayed": _list,
    "queues.schedules": _schedules,
    "queues.cancel": _cancel,
    "queues.deliver": _deliver,
}
