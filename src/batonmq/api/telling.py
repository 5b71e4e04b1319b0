"""Completes the API's errors: which queue or place they are about, and what to do.

Engines say what happened, in the words of their protocol or library. This module adds the rest, for all engines, those
of other packages included.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Final

from batonmq.engines.interface import Engine
from batonmq.errors import (
    AccessRefused,
    AlreadySettled,
    BatonError,
    BrokerError,
    Closed,
    ConnectionLost,
    LeaseLost,
    MessageTooLarge,
    NotFound,
    PreconditionFailed,
    ResourceError,
    ResourceLocked,
)

__all__ = ["OF_A_PLACE", "REMEDIES", "Telling", "told"]

# The remedy for each class of error, not for its subclasses, whose texts say what to do. "": so does the text.
REMEDIES: Final[Mapping[type[BatonError], str]] = MappingProxyType(
    {
        AccessRefused: "",
        AlreadySettled: "settle each delivery once",
        BrokerError: "",
        Closed: "open another one",
        ConnectionLost: "",
        LeaseLost: "it is delivered again, if its queue is there",
        MessageTooLarge: "send it in parts",
        NotFound: "declare it first",
        PreconditionFailed: "",
        ResourceError: "send again when there is room",
        ResourceLocked: "it can be used by that connection only",
    }
)
# These errors concern the connection, not a queue.
OF_A_PLACE: Final = frozenset({Closed, ConnectionLost})


def told(error: BatonError, place: str, queue: str) -> BatonError:
    """The error with the queue, or the place, and the remedy added to its text, unless it has them.

    ``place``: where the connection leads. ``queue``: "" where the call was about no queue. Errors that are not in
    ``REMEDIES`` stay as they are. Raise it ``from error.__cause__``: it replaces the error.
    """
    kind = type(error)
    remedy = REMEDIES.get(kind)
    if remedy is None:
        return error
    text = before = str(error)
    if kind in OF_A_PLACE:
        # Engines name a broker's address without the scheme.
        if place and place.rpartition("://")[2] not in text and f"'{queue}'" not in text:
            text = f"{place}: {text}"
    elif queue and f"'{queue}'" not in text:
        text = f"queue '{queue}': {text}"
    if remedy and not text.endswith(remedy):
        text = f"{text}; {remedy}"
    return error if text == before else kind(text).with_traceback(error.__traceback__)


class Telling:
    """A context manager around a call of an engine: its errors come out ``told``."""

    __slots__ = ("_engine", "_queue")

    def __init__(self, engine: Engine, queue: str = "") -> None:
        self._engine = engine
        self._queue = queue

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, BatonError):
            raise told(error, self._engine.place, self._queue) from error.__cause__
