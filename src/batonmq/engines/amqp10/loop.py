"""An event loop for one thread: ready sockets, calls from other threads, timers."""

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
    """Any thread may use ``call``; the rest is for the thread that runs the loop."""

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
        """Run a function in the loop's thread, soon; False: the loop has stopped."""
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
        """Close the copies in a forked child; the parent's go on."""
        self._guard = threading.Lock()
        self._is_stopped = True
        self.close()

    # ------------------------------------------------------------------ in its thread

    def soon(self, function: Call) -> None:
        """Run a function once all ready sockets were read."""
        self._calls.append(function)

    def at_turn_end(self, function: Call) -> None:
        """Set the function that runs at the end of each turn."""
        self._turn_ended = function

    def run(self) -> None:
        """Run until ``stop``. Raises what the functions raise."""
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
        """Run the calls made before it stopped."""
        with self._guard:
            self._is_finished = True
        while self._calls:
            self._calls.popleft()()

    def close(self) -> None:
        """Close its sockets and selector."""
        self._selector.close()
        self._waker.close()
        self._wakeup.close()

    def later(self, seconds: float, function: Call) -> Call:
        """Run a function after so many seconds; the returned object cancels it."""
        held = [function]
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), held))
        return held.clear

    def watch(self, sock: socket.socket, events: int, ready: Callable[[int], None]) -> None:
        """Call ``ready`` with READ, WRITE or both when the socket is ready."""
        try:
            self._selector.modify(sock, events, ready)
        except KeyError:
            self._selector.register(sock, events, ready)

    def unwatch(self, sock: socket.socket) -> None:
        """Stop watching a socket, before it is closed."""
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
        # Calls added meanwhile wait for the next turn, so that sockets get their share.
        for _ in range(len(calls)):
            calls.popleft()()

    def _run_timers(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= time.monotonic():
            _, _, held = heapq.heappop(timers)
            if held:
                held[0]()


def _nothing() -> None:
    """Do nothing: no function was set for the end of a turn."""
