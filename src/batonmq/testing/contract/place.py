"""Where the contract is held: an engine with something behind it, and what it does otherwise."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Self

import batonmq

__all__ = ["Otherwise", "Place"]


@dataclass(frozen=True)
class Otherwise:
    """What an engine does instead of what a test of the contract asks, and nobody here can mend."""

    reason: str
    """What was seen, and in which version: it is shown with the test."""
    always: bool = True
    """The test has to fail, and one that passes is an error: the reason is gone. If not, it is skipped."""


class Place:
    """Queues somewhere, and a way to them for one test."""

    def __init__(
        self,
        url: str,
        *,
        survives: bool,
        shared: bool = True,
        otherwise: Mapping[str, Otherwise] = MappingProxyType({}),
    ) -> None:
        """Connect to nothing yet.

        ``url``: what a program gives to ``batonmq.connect``. Another test may have the same one.
        ``survives``: what is durable is still there when nobody is connected any more.
        ``shared``: other processes can connect.
        ``otherwise``: by the name of a test, what the engine does instead.
        """
        self.url = url
        self.survives = survives
        self.shared = shared
        self.otherwise = otherwise
        self._opened = ExitStack()
        self._queues: list[str] = []

    def connect(self) -> batonmq.Connection:
        """A connection that is closed with the test."""
        return self._opened.enter_context(batonmq.connect(self.url))

    def queue(self) -> str:
        """A name that nothing else uses; its queue is deleted with the test."""
        name = f"t-{uuid.uuid4().hex[:12]}"
        self._queues.append(name)
        return name

    def close(self) -> None:
        """Leave nothing behind."""
        self._opened.close()
        if self._queues and self.survives:
            with batonmq.connect(self.url) as mq:
                for name in self._queues:
                    mq.delete(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
