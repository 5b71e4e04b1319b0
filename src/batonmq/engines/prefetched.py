"""The messages that a channel has delivered: those not requested yet, those held, and the waiting requests."""

from __future__ import annotations

import threading
import time
from collections import deque
from math import inf
from typing import TypeAlias

from batonmq.engines.futures import Future
from batonmq.engines.receives import Receive
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError

__all__ = ["Handle", "Prefetched"]

Handle: TypeAlias = tuple[int, int]
"""A delivery: the generation of the subscription's channel, and the tag on that channel."""


class Prefetched:
    """Any thread may call; the lock is held for a few instructions."""

    __slots__ = ("_arrived", "_error", "_held", "_lease", "_lock", "_requests")

    def __init__(self, lease: float | None) -> None:
        """``lease``: for how many seconds a message may be held; None: without limit."""
        self._lease = lease
        self._lock = threading.Lock()
        self._arrived: deque[Incoming] = deque()
        # With the monotonic time at which its lease ends.
        self._held: dict[object, float] = {}
        self._requests: deque[Receive] = deque()
        self._error: BatonError | None = None

    # ------------------------------------------------------------------ who waits

    def ask(self, most: int) -> Receive:
        """Wait for up to that many messages. The future fails when no more can come."""
        request = Receive(most)
        with self._lock:
            error = self._error
            if error is None:
                self._requests.append(request)
        if error is not None:
            request.fail(error)
        return request

    def withdraw(self, future: Future[list[Incoming]]) -> None:
        """Stop waiting: the caller gets an empty list, unless messages have just been given to it."""
        with self._lock:
            waits = future in self._requests
            if waits:
                self._requests.remove(future)  # type: ignore[arg-type]
        if waits:
            future.resolve([])

    def next(self) -> tuple[Receive, list[Incoming]] | None:
        """The oldest request, with messages for it; None: nobody waits, or nothing has arrived."""
        with self._lock:
            if not self._arrived or not self._requests:
                return None
            request = self._requests.popleft()
            return request, [self._arrived.popleft() for _ in range(min(request.most, len(self._arrived)))]

    # ------------------------------------------------------------------ what is held

    def add(self, incoming: Incoming) -> int:
        """Add an arrived message; returns how many were not requested yet."""
        with self._lock:
            self._held[incoming.handle] = self._from_now()
            self._arrived.append(incoming)
            return len(self._arrived)

    def take(self, handle: Handle) -> float:
        """Remove a settled message; returns the end of its lease, 0: it was not held."""
        with self._lock:
            return self._held.pop(handle, 0.0)

    def holds(self, handle: Handle) -> bool:
        """Is the message held, within its lease?"""
        with self._lock:
            return self._held.get(handle, 0.0) >= time.monotonic()

    def prolong(self, handle: Handle, until: float) -> None:
        """Extend a lease to that monotonic time, if the message is still held."""
        with self._lock:
            if self._lease is not None and handle in self._held:
                self._held[handle] = until

    def prolong_all(self, arrived: list[Incoming]) -> list[Handle]:
        """Renew these messages from now on; returns those that are still held."""
        until = self._from_now()
        with self._lock:
            handles = [one.handle for one in arrived if isinstance(one.handle, tuple) and one.handle in self._held]
            self._held.update(dict.fromkeys(handles, until))
        return handles

    def drop_late(self) -> tuple[list[Handle], list[Incoming]]:
        """Drop messages that were not requested in time; returns them, and those that still wait."""
        now = time.monotonic()
        with self._lock:
            late = [
                one.handle
                for one in self._arrived
                if isinstance(one.handle, tuple) and self._held.get(one.handle, 0.0) < now
            ]
            for handle in late:
                self._held.pop(handle, None)
            self._arrived = deque(one for one in self._arrived if one.handle not in late)
            return late, list(self._arrived)

    def drop(self, handle: Handle) -> bool:
        """Remove a message that is not held here any more; had anybody been given it?"""
        with self._lock:
            was_held = self._held.pop(handle, None) is not None
            if any(one.handle == handle for one in self._arrived):
                self._arrived = deque(one for one in self._arrived if one.handle != handle)
                return False
            return was_held

    def unseen(self) -> list[Incoming]:
        """Messages that have arrived and were not requested."""
        with self._lock:
            return list(self._arrived)

    @property
    def error(self) -> BatonError | None:
        """Why nothing more can come; None: something may."""
        return self._error

    def clear(self) -> None:
        """Drop everything: it went back with its channel."""
        with self._lock:
            self._held.clear()
            self._arrived.clear()

    def end(self, error: BatonError, *, quietly: bool = False) -> list[Incoming]:
        """Stop: waiting requests fail, or get nothing if the caller closed it.

        Returns the messages that were not requested.
        """
        with self._lock:
            unseen = list(self._arrived)
            self._error = self._error or error
            requests, self._requests = self._requests, deque()
            self._held.clear()
            self._arrived.clear()
        for request in requests:
            if quietly:
                request.resolve([])
            else:
                request.fail(error)
        return unseen

    def _from_now(self) -> float:
        return inf if self._lease is None else time.monotonic() + self._lease
