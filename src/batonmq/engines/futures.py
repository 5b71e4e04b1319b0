"""The outcome of an operation: a thread can wait for it, or an event loop can be told."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar, cast

from batonmq.engines.awaiting import outcome, until_done
from batonmq.errors import BatonError
from batonmq.purity import mypyc_attr

__all__ = ["Future", "resolved"]

log = logging.getLogger("batonmq")

T = TypeVar("T")

# Held for a few instructions only, so that all futures can share it.
_guard = threading.Lock()


def _forked() -> None:
    """Another thread of the parent may have held it."""
    global _guard  # noqa: PLW0603
    _guard = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _answering(owed: Future[Any], callback: Callable[[], None]) -> Callable[[], None]:
    def answer() -> None:
        try:
            callback()
        except BatonError as error:
            # The callback was refused, for example because the connection was closed meanwhile.
            owed.fail(error)
        except Exception as error:
            log.exception("a fault of the engine's own in what follows an outcome")
            owed.fail(BatonError(f"a fault of the engine's own, which the log has: {error}"))

    return answer


@mypyc_attr(allow_interpreted_subclasses=True)
class Future(Generic[T]):
    """An outcome that may be there later. Resolved once, from any thread.

    Unlike those of asyncio and concurrent.futures, it serves threads and event loops alike, and costs less.
    """

    __slots__ = ("_callbacks", "_error", "_value", "done")

    def __init__(self) -> None:
        self.done: bool = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[], None]] | None = None

    def resolve(self, value: T) -> None:
        """Set the outcome; a second one is ignored."""
        self._finish(value, None)

    def fail(self, error: BaseException) -> None:
        """Set an error; a second outcome is ignored."""
        self._finish(None, error)

    def _finish(self, value: T | None, error: BaseException | None) -> None:
        with _guard:
            if self.done:
                return
            self._value, self._error = value, error
            callbacks, self._callbacks = self._callbacks, None
            self.done = True
        for callback in callbacks or ():
            # The resolving thread has other callbacks to call, and these wait in threads of their own.
            try:
                callback()
            except Exception:
                log.exception("a fault of the engine's own in what follows an outcome")

    def when_done(self, callback: Callable[[], None], *, owed: Future[Any] | None = None) -> None:
        """Call back once, in whichever thread resolves it; at once when that has happened.

        ``owed`` is the future that the callback resolves: it fails if the callback raises, so that nobody waits in
        vain.
        """
        if owed is not None:
            callback = _answering(owed, callback)
        with _guard:
            if not self.done:
                if self._callbacks is None:
                    self._callbacks = []
                self._callbacks.append(callback)
                return
        callback()

    @property
    def is_ready(self) -> bool:
        """Would ``get`` return at once?"""
        return self.done

    @property
    def failed(self) -> bool:
        """Is it done, with an error?"""
        return self._error is not None

    @property
    def error(self) -> BaseException | None:
        """The error."""
        return self._error

    def result(self) -> T:
        """The outcome of a future that is done. Raises its error."""
        if self._error is not None:
            raise self._error
        return cast("T", self._value)

    def wait(self, timeout: float | None = None) -> bool:
        """Block this thread until it is done; False if the time ran out first."""
        if self.done:
            return True
        event = threading.Event()
        self.when_done(event.set)
        return event.wait(timeout)

    @property
    def rest(self) -> Future[None] | None:
        """What is to be waited for beside it, once it is done."""
        return None

    def get(self) -> T:
        """Wait as long as it takes, and return the outcome. Raises its error."""
        if not self.done:
            self.wait()
        rest = self.rest
        if rest is not None:
            rest.wait()
        return self.result()

    def wait_async(self, timeout: float | None = None) -> Coroutine[Any, Any, bool]:
        """``wait`` for an event loop."""
        return until_done(self, timeout)

    def get_async(self) -> Coroutine[Any, Any, T]:
        """``get`` for an event loop."""
        return outcome(self)


def resolved(value: T) -> Future[T]:
    """A resolved future."""
    future = Future[T]()
    future.resolve(value)
    return future
