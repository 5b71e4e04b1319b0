"""How an event loop waits for a ``Future``.

These coroutines are never compiled. One that is hands a cancellation on with a signature of ``throw`` that Python has
deprecated since 3.12, and where warnings are errors the program gets the warning instead.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

__all__ = ["Awaited", "outcome", "until_done"]

T_co = TypeVar("T_co", covariant=True)


class Awaited(Protocol[T_co]):
    """What is awaited of a ``Future``, which says what each means."""

    @property
    def done(self) -> bool: ...

    @property
    def rest(self) -> Awaited[None] | None: ...

    def when_done(self, callback: Callable[[], None], /) -> None: ...

    def wait_async(self) -> Awaitable[bool]: ...

    def result(self) -> T_co: ...


async def until_done(waited: Awaited[object], timeout: float | None) -> bool:  # noqa: ASYNC109
    """Wait until it is done; False if the time ran out first."""
    if waited.done:
        return True
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    def announce() -> None:
        # The loop may be gone when an abandoned future is resolved at last, or go this very moment.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(wake)

    waited.when_done(announce)
    handle = None if timeout is None else loop.call_later(timeout, wake)
    try:
        await future
    finally:
        if handle is not None:
            handle.cancel()
    return waited.done


async def outcome(waited: Awaited[T_co]) -> T_co:
    """Wait as long as it takes, and return the outcome. Raises its error."""
    if not waited.done:
        await waited.wait_async()
    rest = waited.rest
    if rest is not None:
        await rest.wait_async()
    return waited.result()
