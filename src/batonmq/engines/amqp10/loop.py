"""A loop for one thread: sockets that are ready, functions that other threads want run, timers."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Loop"]

Call: TypeAlias = Callable[[], None]
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Loop:
    """Any thread may use ``call``; all else is for the thread that runs it."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._waker, self._wakeup = socket.socketpair()
        self._waker.setblocking(False)
        self._wakeup.setblocking(False)
        self._selector.register(self._wakeup, READ, None)
        self._calls: deque[Call] = deque()
        self._is_woken = False
        self._guard = threading.Lock()
        self._timers: list[tuple[float, int, list[Call]]] = []
        self._numbers = itertools.count()
        self._is_stopped = False
        self._is_finished = False
        self._turn_ended: Call = _nothing

    # ------------------------------------------------------------------ from any thread

    def call(self, function: Call) -> bool:
        """Have this run in the loop's thread, soon; False: it has stopped, and nothing runs any more."""
        with self._guard:
            if self._is_finished:
                return False
            self._calls.append(function)
            if self._is_woken:
                return True
            self._is_woken = True
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")
        return True

    def forked(self) -> None:
        """In a child: the parent goes on with its own."""
        self._guard = threading.Lock()
        self._is_stopped = True
        self.close()

    # ------------------------------------------------------------------ in its thread

    def soon(self, function: Call) -> None:
        """Run this when all that is ready was read."""
        self._calls.append(function)

    def at_turn_end(self, function: Call) -> None:
        """What is done whenever all that was ready is done with."""
        self._turn_ended = function

    def run(self) -> None:
        """Run until ``stop``. What functions raise comes out of here."""
        while not self._is_stopped:
            for key, events in self._selector.select(self._pause()):
                if key.data is None:
                    self._woken()
                else:
                    key.data(events)
            self._run_calls()
            self._run_timers()
            self._turn_ended()

    def stop(self) -> None:
        """End ``run`` after this turn."""
        self._is_stopped = True

    def finish(self) -> None:
        """Run what was asked for before it stopped."""
        with self._guard:
            self._is_finished = True
        while self._calls:
            self._calls.popleft()()

    def close(self) -> None:
        """Let go of what the system lent."""
        self._selector.close()
        self._waker.close()
        self._wakeup.close()

    def later(self, seconds: float, function: Call) -> Call:
        """Run this after a while; what is returned takes it back."""
        held = [function]
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), held))
        return held.clear

    def watch(self, sock: socket.socket, events: int, ready: Callable[[int], None]) -> None:
        """Call ``ready`` with what the socket is ready for, of READ and WRITE."""
        try:
            self._selector.modify(sock, events, ready)
        except KeyError:
            self._selector.register(sock, events, ready)

    def unwatch(self, sock: socket.socket) -> None:
        """The socket is to be closed."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)

    def _pause(self) -> float | None:
        if self._calls:
            return 0.0
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - time.monotonic())

    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakeup.recv(4096)
        with self._guard:
            self._is_woken = False

    def _run_calls(self) -> None:
        calls = self._calls
        # What is added meanwhile waits for the next turn, so that the socket has its share.
        for _ in range(len(calls)):
            calls.popleft()()

    def _run_timers(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= time.monotonic():
            _, _, held = heapq.heappop(timers)
            if held:
                held[0]()


def _nothing() -> None:
    """Nobody wants to know."""
