"""The broker's events, live: server-sent events, limited by the listener's rights.

Each client has a bounded line of its own: a client that does not read gets a last event that says so, and is
disconnected. After a break a client continues where it was (``Last-Event-ID``), as far as events are still kept.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Final

from batonmq.broker.model.access import User
from batonmq.broker.model.events import (
    CONNECTION_CLOSED,
    CONNECTION_OPENED,
    KINDS,
    POLICY_CLEARED,
    POLICY_SET,
    USERS_CHANGED,
    Event,
)
from batonmq.errors import ResourceError
from batonmq.management.baton.queues import GROUP
from batonmq.management.http.call import Call
from batonmq.management.http.encoding import encode
from batonmq.management.http.errors import BadRequest, HttpError
from batonmq.management.http.responses import Response, Stream
from batonmq.management.http.rights import Tag, may, sees_everything
from batonmq.management.http.routes import Route
from batonmq.management.log_lines import LogLine

__all__ = ["ROUTES"]

LOG: Final = "log"
MEDIA_TYPE: Final = "text/event-stream"
# The interval of silence before a comment is sent to keep the stream alive, in seconds.
HEARTBEAT_SECONDS = 15.0
# The most events that may wait for a client.
WAITING_MAX = 1_000
# How long a client waits before reconnecting, in milliseconds.
RETRY: Final = 3_000


async def events(call: Call) -> Response:
    """An endless stream."""
    kinds = _kinds(call.query.text("kinds"))
    if LOG in kinds and not sees_everything(call.user):
        if call.query.text("kinds") and kinds == {LOG}:
            raise HttpError(401, "not_authorised", "Not monitoring user")
        kinds = kinds - {LOG}
    if call.request.method == "HEAD":
        # HEAD of an endless body would never end, and block the connection.
        return Response(None, 200, media_type=MEDIA_TYPE)
    line = _Line(call, kinds)
    try:
        line.begin(call.request.headers.get("last-event-id") or call.query.text("last_event_id") or "")
    except ResourceError as error:
        raise HttpError(503, "too_many_listeners", str(error)) from None
    return Stream(line.pieces(), MEDIA_TYPE, {"x-accel-buffering": "no"})


def _kinds(text: str | None) -> frozenset[str]:
    """The kinds that a client wants, by name, or by the part before the dot. Raises BadRequest."""
    if not text:
        return frozenset(KINDS)
    found: set[str] = set()
    for name in text.split(",")[:64]:
        matching = {kind for kind in (*KINDS, LOG) if name in (kind, kind.partition(".")[0])}
        if not matching:
            raise BadRequest(f"kinds: {name[:64]!r} is none of {', '.join((*KINDS, LOG))}")
        found |= matching
    return frozenset(found)


def _sees(user: User, event: Event) -> bool:
    """May the user see this event?"""
    if sees_everything(user):
        return True
    if event.kind == USERS_CHANGED:
        return False
    if event.kind in (CONNECTION_OPENED, CONNECTION_CLOSED):
        return event.user == user.name
    if event.kind in (POLICY_SET, POLICY_CLEARED) and not may(user, Tag.POLICYMAKER):
        return False
    return not event.vhost or user.may_open(event.vhost)


class _Line:
    """The events that wait for one client."""

    def __init__(self, call: Call, kinds: frozenset[str]) -> None:
        self._parts = call.context.parts
        self._lines = call.context.log_lines
        self._kinds = kinds
        self._user = call.user
        # After a change of password a listener has to log in again.
        self._proof = call.context.parts.authenticator.stored_hash(call.user.name)
        self._waiting: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        self._has_some = asyncio.Event()
        # The last message, after which the stream ends.
        self._last = b""

    def begin(self, last_id: str) -> None:
        """Listen from now on, and add the events after the last one that the client had. Raises ResourceError."""
        broker_events = self._parts.broker.events
        if last_id.isascii() and last_id.isdigit() and len(last_id) < 20:
            missed, is_all = broker_events.after(int(last_id))
            if not is_all:
                self._waiting.append(_said("missed", {"reason": "some events since then are not kept any more"}))
            for event in missed:
                self._take(event)
        broker_events.listen(self._take)
        if LOG in self._kinds:
            self._lines.listen(self._take_line)

    def _end(self) -> None:
        self._parts.broker.events.forget(self._take)
        self._lines.forget(self._take_line)

    # ------------------------------------------------------------------ in

    def _take(self, event: Event) -> None:
        if event.kind == USERS_CHANGED:
            found = self._parts.authenticator.find(self._user.name)
            if found is None:
                self._finish("closed", "the user is deleted")
                return
            if not may(found, Tag.MANAGEMENT) or self._parts.authenticator.stored_hash(found.name) != self._proof:
                self._finish("closed", "the user's log-in is over")
                return
            self._user = found
        if event.kind in self._kinds and _sees(self._user, event):
            self._put(_piece_of(event))

    def _take_line(self, line: LogLine) -> None:
        # It may come from any thread, even when the loop ends this very moment.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._put_line, line)

    def _put_line(self, line: LogLine) -> None:
        if sees_everything(self._user):
            shown = {"at": line.at, "level": line.level, "logger": line.logger, "message": line.message}
            self._put(_said(LOG, shown))

    def _put(self, piece: bytes) -> None:
        if self._last:
            return
        if len(self._waiting) >= WAITING_MAX:
            self._finish("dropped", f"more than {WAITING_MAX} events were waiting: the client reads too slowly")
            return
        self._waiting.append(piece)
        self._has_some.set()

    def _finish(self, kind: str, reason: str) -> None:
        self._end()
        self._waiting.clear()
        self._last = _said(kind, {"reason": reason})
        self._has_some.set()

    # ------------------------------------------------------------------ out

    async def pieces(self) -> AsyncIterator[bytes]:
        """The data to send, until the client is gone or was disconnected."""
        try:
            yield b"retry: %d\n: here\n\n" % RETRY
            while True:
                while self._waiting:
                    yield self._waiting.popleft()
                if self._last:
                    yield self._last
                    return
                self._has_some.clear()
                try:
                    await asyncio.wait_for(self._has_some.wait(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b": here\n\n"
        finally:
            self._end()


@lru_cache(maxsize=16)
def _piece_of(event: Event) -> bytes:
    """An event in its sent form, created once for all listeners."""
    shown = {"kind": event.kind, "at": event.at, "vhost": event.vhost or None, "user": event.user or None}
    return _said(event.kind, {**shown, **event.details}, event.number)


def _said(kind: str, value: dict[str, object], number: int | None = None) -> bytes:
    head = b"id: %d\n" % number if number is not None else b""
    # JSON has no line ends of its own.
    return b"%sevent: %s\ndata: %s\n\n" % (head, kind.encode(), encode(value))


ROUTES = (
    Route(
        "GET",
        "/api/baton/events",
        events,
        "The broker's events, as server-sent events.",
        group=GROUP,
        query={
            "kinds": "Which, separated by commas: by name, such as queue.paused, or by what stands before the dot."
            " Lines of the log come only when log is among them, for those who may see them.",
            "last_event_id": "The id of the last event that was received, as the header Last-Event-ID says it.",
        },
        answers={503: "Too many listen already."},
    ),
)
