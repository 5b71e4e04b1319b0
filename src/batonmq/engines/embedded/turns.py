"""The lock of a core. While the main thread has it, whatever a signal would have it do waits.

Python runs handlers of signals in the main thread, between any two steps of it. What one raises, as Ctrl-C does, would
leave an operation or a commit half done: half of a transaction staged, or a commit that is never over, for which
everybody waits. To set a handler aside and back costs two system calls each, and nothing where none is set in Python.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal's own functions make enums: 20 us a turn
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Final

__all__ = ["TurnLock"]

Handler = Callable[[int, FrameType | None], object]

# Those whose handlers raise: Ctrl-C, a stop by ``sys.exit``, the time limit of a job or a test.
NUMBERS: Final = tuple(int(getattr(signal, name)) for name in ("SIGINT", "SIGTERM", "SIGALRM") if hasattr(signal, name))
# Looked up once: they are called in each turn.
_get_ident: Final = threading.get_ident
_getsignal: Final = _signal.getsignal
_set: Final = _signal.signal


class TurnLock:
    """A lock for ``with``, and for conditions, which may let go of it in between. Not reentrant."""

    __slots__ = ("_came", "_handlers", "_is_turn", "_main", "_mine", "acquire", "release")

    def __init__(self) -> None:
        lock = threading.Lock()
        self.acquire = lock.acquire
        self.release = lock.release
        self._main = threading.main_thread().ident or 0
        # Only the main thread uses these.
        self._mine: Handler = self._come
        self._is_turn = False
        # The handlers that are set aside, by the number of their signal.
        self._handlers: dict[int, Handler] = {}
        self._came: list[tuple[Handler, int, FrameType | None]] = []

    def __enter__(self) -> None:
        if _get_ident() == self._main:
            self._set_aside()
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        if self._is_turn and _get_ident() == self._main:
            self._let_through()

    def _set_aside(self) -> None:
        """What is raised in here is raised before the turn; handlers that are aside already are called by ours."""
        for number in NUMBERS:
            handler = _getsignal(number)
            if callable(handler) and handler is not self._mine:
                self._handlers[number] = handler
                try:
                    _set(number, self._mine)
                except ValueError:
                    # In an interpreter beside the main one nobody sets handlers, and none runs.
                    del self._handlers[number]
        self._is_turn = True

    def _come(self, number: int, frame: FrameType | None) -> None:
        handler = self._handlers[number]
        if self._is_turn:
            self._came.append((handler, number, frame))
        else:
            handler(number, frame)

    def _let_through(self) -> None:
        """Put the handlers back, and call those that would have run. Raises what they raise."""
        self._is_turn = False
        for number in tuple(self._handlers):
            _set(number, self._handlers[number])
            del self._handlers[number]
        if self._came:
            came, self._came = self._came, []
            for handler, number, frame in came:
                handler(number, frame)

    def forked(self) -> None:
        """In a child, forked by another thread in the middle of a turn: the handlers are the child's as well."""
        self._came = []
        self._let_through()
