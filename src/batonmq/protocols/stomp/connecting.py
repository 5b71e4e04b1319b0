"""CONNECT and STOMP: version, user, virtual host and heart-beats, negotiated in one frame each way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.model.access import BUSY, TOO_MANY_LOG_INS
from batonmq.broker.model.admission import require_channel, require_connection
from batonmq.errors import NotAllowed
from batonmq.protocols.stomp.codec import V10, V11, V12, FrameError, unescape
from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import User
    from batonmq.broker.model.access import LogInAnswer
    from batonmq.broker.model.clients import Clients
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.protocols.stomp.settings import StompSettings

__all__ = ["LogIn", "agreed_version"]

VERSIONS: Final = (V12, V11, V10)
# Milliseconds: a longer interval than 30 days counts as no heart-beats.
BEAT_MAX: Final = 30 * 24 * 3600 * 1000


def agreed_version(headers: Mapping[str, str]) -> str:
    """The highest common version (STOMP 1.2 "Protocol Negotiation"). Raises StompFailure."""
    accepted = headers.get("accept-version")
    if accepted is None:
        return V10
    asked = {version.strip() for version in accepted.split(",")}
    for version in VERSIONS:
        if version in asked:
            return version
    raise StompFailure("Version mismatch", "Supported versions are 1.0,1.1,1.2")


class LogIn:
    """One CONNECT, read and checked. The caller checks its password, and passes the result."""

    __slots__ = ("_headers", "_settings", "beat_in", "beat_out", "is_by_certificate", "passcode", "user", "version")

    def __init__(
        self, headers: Mapping[str, str], version: str, settings: StompSettings, certificate_name: str = ""
    ) -> None:
        """``version`` is the negotiated one, ``certificate_name`` the user named by the client's certificate.

        Raises StompFailure.
        """
        self._headers = headers
        self._settings = settings
        self.version = version
        self.beat_in, self.beat_out = self._beats(headers.get("heart-beat", "0,0"))
        """Seconds between heart-beats of the client's, and of ours; 0: there are none."""
        self.is_by_certificate = bool(
            settings.takes_certificates and certificate_name and not headers.keys() & {"login", "passcode"}
        )
        """Does the client log in by certificate? Then there is no password."""
        if self.is_by_certificate:
            self.user, self.passcode = certificate_name, ""
            return
        user = headers.get("login", settings.default_login)
        passcode = headers.get("passcode", settings.default_passcode if "login" not in headers else None)
        if user is None or passcode is None:
            raise StompFailure("Bad CONNECT", "Missing login or passcode header(s)")
        self.user = user
        self.passcode = passcode

    def _beats(self, text: str) -> tuple[float, float]:
        numbers = text.split(",")
        if len(numbers) != 2 or not all(
            number.strip().isascii() and number.strip().isdigit() and len(number) < 16 for number in numbers
        ):
            raise StompFailure("Invalid heart-beat", f"header 'heart-beat' must be two numbers and is '{text[:64]}'")
        if self.version == V10:
            return 0.0, 0.0
        least = self._settings.heart_beat_min
        theirs, ours = (max(number, least) / 1000 if 0 < number <= BEAT_MAX else 0.0 for number in map(int, numbers))
        return theirs, ours

    def unescape_passcode(self) -> bool:
        """Unescape the passcode: some clients wrongly escape CONNECT.

        False: it makes no difference, or was done already.
        """
        escaped = self.passcode
        if "\\" not in escaped:
            return False
        try:
            self.passcode = unescape(escaped, V12)
        except FrameError:
            return False
        return self.passcode != escaped

    def open(self, user: LogInAnswer, vhosts: Mapping[str, VirtualHost], clients: Clients) -> tuple[User, VirtualHost]:
        """Check the result of the log-in: returns the user and the virtual host.

        ``clients`` are those already connected. Raises StompFailure.
        """
        if user is BUSY:
            raise StompFailure("Try again later", TOO_MANY_LOG_INS)
        if user is None:
            raise StompFailure("Bad CONNECT", f"Access refused for user '{self.user}'", bare=True)
        dialect = self._settings.dialect
        name = self._headers.get("host", self._settings.default_vhost)
        if dialect.ignores_host or (name not in vhosts and not dialect.requires_known_host):
            name = self._settings.default_vhost
        vhost = vhosts.get(name)
        if vhost is None or not user.may_open(name):
            raise StompFailure("Bad CONNECT", f"Virtual host '{name}' access denied", bare=True)
        try:
            require_connection(clients, user, name, vhost.limits)
            require_channel(clients, user)
        except NotAllowed as error:
            raise StompFailure("Bad CONNECT", str(error), bare=True) from None
        return user, vhost

    def terms(self, session: str) -> Terms:
        """The negotiated terms, for the connection with this id."""
        settings = self._settings
        return Terms(self.version, session, self._headers.get("client-id", ""), settings, settings.dialect)

    def answer(self, session: str) -> list[tuple[str, str]]:
        """The headers of CONNECTED."""
        settings = self._settings
        headers = [
            ("version", self.version),
            ("session", f"session-{session}"),
            ("heart-beat", f"{int(self.beat_out * 1000)},{int(self.beat_in * 1000)}"),
        ]
        if settings.product:
            headers.append(("server", f"{settings.product}/{settings.version}"))
        if settings.dialect.echoes_request_id:
            for name, echo in (("request-id", "response-id"), ("receipt", "receipt-id")):
                if name in self._headers:
                    headers.append((echo, self._headers[name]))
        return headers
