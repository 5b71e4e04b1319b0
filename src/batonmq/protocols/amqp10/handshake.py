"""Headers and SASL: the exchange before open (part 2 §2.2, part 5 §5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batonmq.protocols.amqp10.codec.constants import AMQP_HEADER, SASL_HEADER
from batonmq.protocols.amqp10.codec.encoder import sasl_frame
from batonmq.protocols.amqp10.codec.performatives import SaslInit, SaslMechanisms, SaslOutcome
from batonmq.protocols.amqp10.codec.values import Symbol
from batonmq.protocols.amqp10.states import (
    AUTHENTICATING,
    AWAIT_AMQP_HEADER,
    AWAIT_HEADER,
    AWAIT_INIT,
    AWAIT_OPEN,
)

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.settings import Amqp10Settings
    from batonmq.protocols.sessions.output import Output

PLAIN: Final = "PLAIN"
ANONYMOUS: Final = "ANONYMOUS"
# The user is named by the client's certificate (RFC 4422, appendix A).
EXTERNAL: Final = "EXTERNAL"

# Outcomes of SASL (§5.3.3.6).
OK: Final = 0
WRONG_CREDENTIALS: Final = 1
TRY_AGAIN: Final = 4


class WrongHeader(Exception):
    """The client speaks another protocol, or omits SASL where it is required; the text is for the log."""


class OutOfTurn(Exception):
    """The client sent an unexpected frame before its log-in; the text is for the log. It is not answered."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The user name and password of a client that logs in."""

    user: str
    password: str
    mechanism: str

    @property
    def is_by_certificate(self) -> bool:
        """Does the client log in by certificate? Then there is no password."""
        return self.mechanism == EXTERNAL


class Handshake:
    """The exchange with a client before open; ``state`` is one of ``states`` up to AWAIT_OPEN."""

    __slots__ = ("_certificate_name", "_output", "_settings", "credentials", "state")

    def __init__(self, settings: Amqp10Settings, output: Output, certificate_name: str = "") -> None:
        """``certificate_name``: the user named by the client's certificate; empty: none."""
        self._certificate_name = certificate_name
        self._settings = settings
        self._output = output
        self.state = AWAIT_HEADER
        self.credentials: Credentials | None = None
        """The log-in; known when ``state`` is AUTHENTICATING."""

    @property
    def mechanism(self) -> str:
        """The mechanism of the log-in; "": the client came without SASL, or has not chosen one yet."""
        return self.credentials.mechanism if self.credentials is not None else ""

    def receive_header(self, header: bytes) -> Credentials | None:
        """A protocol header. Credentials: have them checked, and tell ``authenticated`` or ``refused``.

        Raises WrongHeader, which is answered with the header that is right (§2.2), and OutOfTurn.
        """
        if self.state == AWAIT_HEADER and header == SASL_HEADER:
            self._output.send(SASL_HEADER + sasl_frame(SaslMechanisms(sasl_server_mechanisms=self._mechanisms())))
            self.state = AWAIT_INIT
            return None
        if self.state == AWAIT_AMQP_HEADER and header == AMQP_HEADER:
            self._output.send(AMQP_HEADER)
            self.state = AWAIT_OPEN
            return None
        if self.state == AWAIT_HEADER and header == AMQP_HEADER and self._settings.anonymous_login is not None:
            # Without SASL: whoever may come anonymously may.
            return self._check(self._anonymous())
        if self.state in (AWAIT_HEADER, AWAIT_AMQP_HEADER):
            self._output.send(SASL_HEADER if self.state == AWAIT_HEADER else AMQP_HEADER)
            raise WrongHeader(f"the protocol header {header!r} is not the one that is expected here")
        raise OutOfTurn("a protocol header out of turn")

    def init(self, init: SaslInit) -> Credentials | None:
        """The client has chosen a mechanism; None: it is refused already. Raises OutOfTurn."""
        if self.state != AWAIT_INIT:
            raise OutOfTurn("sasl-init out of turn")
        credentials = None
        if init.mechanism == PLAIN:
            credentials = _plain(init.initial_response)
        elif init.mechanism == ANONYMOUS and self._settings.anonymous_login is not None:
            credentials = self._anonymous()
        elif init.mechanism == EXTERNAL and self._certificate_name:
            # The authorization identity is ignored, as in RabbitMQ: clients act only for themselves.
            credentials = Credentials(self._certificate_name, "", EXTERNAL)
        if credentials is None:
            self._say_outcome(WRONG_CREDENTIALS)
            return None
        return self._check(credentials)

    def authenticated(self) -> None:
        """The credentials are right."""
        assert self.credentials is not None
        if self.credentials.mechanism:
            self._say_outcome(OK)
            self.state = AWAIT_AMQP_HEADER
        else:
            self._output.send(AMQP_HEADER)
            self.state = AWAIT_OPEN

    def refused(self, *, is_busy: bool) -> None:
        """The credentials are wrong, or (``is_busy``) were not checked: then the client may try again."""
        assert self.credentials is not None
        if self.credentials.mechanism:
            self._say_outcome(TRY_AGAIN if is_busy else WRONG_CREDENTIALS)
        else:
            self._output.send(SASL_HEADER)

    def _check(self, credentials: Credentials) -> Credentials:
        self.credentials = credentials
        self.state = AUTHENTICATING
        return credentials

    def _anonymous(self) -> Credentials:
        login = self._settings.anonymous_login
        assert login is not None
        mechanism = ANONYMOUS if self.state == AWAIT_INIT else ""
        return Credentials(login, self._settings.anonymous_passcode, mechanism)

    def _mechanisms(self) -> list[Symbol]:
        mechanisms = [PLAIN]
        if self._settings.anonymous_login is not None:
            mechanisms.append(ANONYMOUS)
        if self._certificate_name:
            mechanisms.append(EXTERNAL)
        return [Symbol(name) for name in mechanisms]

    def _say_outcome(self, code: int) -> None:
        self._output.send(sasl_frame(SaslOutcome(code=code)))


def _plain(response: bytes | None) -> Credentials | None:
    """User and password as RFC 4616 has them; None: they cannot be read."""
    try:
        _, user, password = (response or b"").split(b"\0")
        return Credentials(user.decode(), password.decode(), PLAIN)
    except ValueError:
        return None
