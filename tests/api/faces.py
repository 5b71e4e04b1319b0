"""The asynchronous face, called as the synchronous one is: what a test does once is then done with both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Self, cast

import batonmq
from batonmq import aio

__all__ = ["Driven", "connect_asynchronously"]


class Driven:
    """An object of ``batonmq.aio`` whose coroutines are run to their end in a loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, below: object) -> None:
        self.loop = loop
        self.below = below

    def _made(self, value: Any) -> Any:  # noqa: ANN401
        if inspect.isawaitable(value):
            value = self.loop.run_until_complete(_of(value))
        if isinstance(value, list):
            return [self._made(one) for one in value]
        return Driven(self.loop, value) if type(value).__module__.startswith("batonmq.api.") else value

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (of whatever object it is)
        value = getattr(self.below, name)
        if not callable(value):
            return value
        return lambda *arguments, **named: self._made(
            value(*(one.below if isinstance(one, Driven) else one for one in arguments), **named)
        )

    def __enter__(self) -> Self:
        self._made(self.below.__aenter__())  # type: ignore[attr-defined]
        return self

    def __exit__(self, *ended: object) -> None:
        self._made(self.below.__aexit__(*ended))  # type: ignore[attr-defined]


async def _of(value: Awaitable[object]) -> object:
    return await value


def connect_asynchronously(loop: asyncio.AbstractEventLoop) -> Callable[[str], batonmq.Connection]:
    """What ``batonmq.connect`` is, by ``batonmq.aio.connect``."""

    def connect(url: str) -> batonmq.Connection:
        return cast("batonmq.Connection", Driven(loop, loop.run_until_complete(_of(aio.connect(url)))))

    return connect
