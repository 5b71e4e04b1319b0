"""The log-in (part 5 §5.3): PLAIN (RFC 4616), EXTERNAL (RFC 4422), ANONYMOUS (RFC 4505)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batonmq.errors import AccessRefused, ConnectionLost
from batonmq.protocols.amqp10.codec.performatives import (
    SaslChallenge,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    SaslResponse,
)

if TYPE_CHECKING:
    from batonmq.errors import BatonError
    from batonmq.protocols.amqp10.codec.performatives import SaslPerformative

__all__ = ["Credentials", "Login"]

PLAIN: Final = "PLAIN"
EXTERNAL: Final = "EXTERNAL"
ANONYMOUS: Final = "ANONYMOUS"
# The user of a broker that nobody has configured: RabbitMQ, and ours.
GUEST: Final = "guest"


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to log in: by user name and password, by the client certificate, or anonymously."""

    user: str | None = None
    """None: no particular user, which means ANONYMOUS where it is offered, and guest elsewhere."""
    password: str = ""
    is_external: bool = False
    """Does the client certificate determine who logs in?"""
    is_anonymous: bool = False
    """Must it be ANONYMOUS?"""

    @property
    def shown(self) -> str:
        """The user who logs in, for messages."""
        if self.is_external:
            return "the user of the client certificate"
        return f"user {self.user!r}" if self.user is not None else "nobody in particular"


class Login:
    """The dialogue of the log-in, step by step."""

    __slots__ = ("_credentials", "_hostname", "_mechanism", "is_done")

    def __init__(self, credentials: Credentials, hostname: str) -> None:
        self._credentials = credentials
        self._hostname = hostname
        self._mechanism = ""
        self.is_done = False
        """Has the log-in succeeded?"""

    def take(self, said: SaslPerformative) -> SaslPerformative | None:
        """The reply to a frame of the broker; None: there is none. Raises AccessRefused, ConnectionLost."""
        if isinstance(said, SaslMechanisms) and not self._mechanism:
            return self._begin([str(name) for name in said.sasl_server_mechanisms])
        if isinstance(said, SaslChallenge) and self._mechanism:
            # Everything was in the initial response: what is left is an empty one.
            return SaslResponse(response=b"")
        if isinstance(said, SaslOutcome) and self._mechanism:
            if said.code:
                raise self._refusal(said.code)
            self.is_done = True
            return None
        raise ConnectionLost(f"the broker said {said.NAME} in the wrong place of the log-in")

    def _begin(self, offered: list[str]) -> SaslInit:
        credentials = self._credentials
        user, password = credentials.user, credentials.password
        response = b""
        if credentials.is_external:
            self._mechanism = EXTERNAL
        elif credentials.is_anonymous or (user is None and ANONYMOUS in offered):
            self._mechanism = ANONYMOUS
            response = b"batonmq"
        else:
            self._mechanism = PLAIN
            if user is None:
                user = password = GUEST
            response = f"\0{user}\0{password}".encode()
        if self._mechanism not in offered:
            listed = ", ".join(offered) or "none"
            raise AccessRefused(f"it does not offer the log-in {self._mechanism}, but {listed}")
        return SaslInit(mechanism=self._mechanism, initial_response=response, hostname=self._hostname or None)

    def _refusal(self, code: int) -> BatonError:
        shown = self._credentials.shown
        if code == 1:
            wrong = "it knows none" if self._credentials.is_external else "wrong name or password"
            return AccessRefused(f"it refused to log in {shown}: {wrong}")
        return ConnectionLost(f"it could not log in {shown}: SASL code {code}")
