"""Where the contract is tested: an engine with its broker or file, and its known deviations."""

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
    """A deviation of an engine from a test of the contract, which the engine cannot fix."""

    reason: str
    """What was observed, and in which version: it is shown with the test."""
    always: bool = True
    """True: the test has to fail; if it passes, that is an error, as the reason is gone. False: it is skipped."""


class Place:
    """A place with queues, and the connections of one test to it."""

    def __init__(
        self,
        url: str,
        *,
        survives: bool,
        shared: bool = True,
        otherwise: Mapping[str, Otherwise] = MappingProxyType({}),
    ) -> None:
        """Does not connect yet.

        ``url``: the URL for ``batonmq.connect``. Other tests may use the same one.
        ``survives``: do durable messages remain when nobody is connected any more?
        ``shared``: can other processes connect?
        ``otherwise``: the engine's deviations, by the name of the test.
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
