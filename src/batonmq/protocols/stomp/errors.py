"""Reports failures that happen after their frame was handled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batonmq.protocols.stomp.failures import StompFailure

__all__ = ["Errors"]


class Failing(Protocol):
    """Answers with an ERROR, and ends the connection if necessary."""

    def fail(self, failure: StompFailure, receipt: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """``receipt`` is that of the frame that asked for it, ``headers`` further headers of the ERROR."""


class Errors:
    """Takes late failures: a failed commit, a subscription that the broker ended."""

    __slots__ = ("_session",)

    def __init__(self, session: Failing) -> None:
        self._session: Failing | None = session

    def tell(self, failure: StompFailure, receipt: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Have the client told, if it is still there."""
        if self._session is not None:
            self._session.fail(failure, receipt, headers)

    def part(self) -> None:
        """The connection is gone: report nothing more."""
        self._session = None
