"""What a session may ask of the server that carries its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.broker.model.access import LogInAnswer
    from batonmq.broker.model.sockets import Socket


class Host(Protocol):
    """The server, as one session sees it."""

    @property
    def peer(self) -> str:
        """The client's address for logs and listings, as `127.0.0.1:51234` or `[::1]:51234`."""

    @property
    def socket(self) -> Socket:
        """What carries the connection, for listings."""

    @property
    def is_loopback(self) -> bool:
        """Does the client run on this machine?"""

    def wake(self) -> None:
        """Output was added outside `receive`: send it at the end of this turn."""

    def resume(self) -> None:
        """The session is no longer suspended: read again."""

    def tick_soon(self) -> None:
        """The session wants to be told the time more often: tick it within a quarter of a second."""

    def log_refusal(self, line: str, fields: Mapping[str, object]) -> None:
        """Log why a client without a log-in was turned away. Of many from one address, only the number is logged.

        ``fields`` are the extra fields of the record.
        """

    def authenticate(self, user: str, password: str, callback: Callable[[LogInAnswer], None]) -> None:
        """Check a password without holding up others; the callback gets the answer, the user at once.

        BUSY and None come about a second later.
        """

    @property
    def certificate_name(self) -> str:
        """The user whom the client's certificate names, which was verified; empty: it has shown none that does."""

    def log_in_by_certificate(self, callback: Callable[[LogInAnswer], None]) -> None:
        """Let in the user of ``certificate_name``, without a password; the callback gets the answer as above."""
