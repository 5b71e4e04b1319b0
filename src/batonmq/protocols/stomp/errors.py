"""The way to the session for what goes wrong when the frame that brought it about has been handled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batonmq.protocols.stomp.failures import StompFailure

__all__ = ["Errors"]


class Failing(Protocol):
    """Answers with an ERROR, and ends the connection where that must be."""

    def fail(self, failure: StompFailure, receipt: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """``receipt`` is that of the frame that asked for it, ``headers`` what the ERROR has beside its own."""


class Errors:
    """Takes late failures: a commit that did not come about, a subscription that the broker ended."""

    __slots__ = ("_session",)

    def __init__(self, session: Failing) -> None:
        self._session: Failing | None = session

    def tell(self, failure: StompFailure, receipt: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Have the client told, if it is still there."""
        if self._session is not None:
            self._session.fail(failure, receipt, headers)

    def part(self) -> None:
        """The connection is gone: nobody is to be told any more."""
        self._session = None
