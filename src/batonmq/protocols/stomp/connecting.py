"""CONNECT and STOMP: version, user, virtual host and heart-beats, agreed on in one frame each way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker import Operations
from batonmq.broker.model.access import BUSY, TOO_MANY_LOG_INS
from batonmq.protocols.stomp.codec import V10, V11, V12, FrameError, unescape
from batonmq.protocols.stomp.failures import StompFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import User
    from batonmq.broker.model.access import LogInAnswer
    from batonmq.protocols.stomp.codec import Head
    from batonmq.protocols.stomp.session import StompSession

__all__ = ["Connecting"]

VERSIONS: Final = (V12, V11, V10)
# Milliseconds: whoever asks for rarer heart-beats than once in 30 days asks for none.
BEAT_MAX: Final = 30 * 24 * 3600 * 1000


class Connecting:
    """A session's log-in."""

    __slots__ = ("_headers", "_login", "_passcode", "_session")

    def __init__(self, session: StompSession) -> None:
        self._session = session
        self._headers: Mapping[str, str] = {}
        self._login = self._passcode = ""

    def connect(self, head: Head) -> None:
        """The frame has come: check it, then the password. Raises StompFailure."""
        session = self._session
        settings = session.settings
        self._headers = headers = head.headers
        session.version = _agreed(headers.get("accept-version"))
        session.beat_in, session.beat_out = self._beats(headers.get("heart-beat", "0,0"))
        login = headers.get("login", settings.default_login)
        passcode = headers.get("passcode", settings.default_passcode if "login" not in headers else None)
        if login is None or passcode is None:
            raise StompFailure("Bad CONNECT", "Missing login or passcode header(s)")
        self._login, self._passcode = login, passcode
        session.suspended = True
        session.host.authenticate(login, passcode, self._authenticated)

    def _beats(self, text: str) -> tuple[float, float]:
        """Seconds between heart-beats of the client's and of ours; 0: none. Raises StompFailure."""
        numbers = text.split(",")
        if len(numbers) != 2 or not all(
            number.strip().isascii() and number.strip().isdigit() and len(number) < 16 for number in numbers
        ):
            raise StompFailure("Invalid heart-beat", f"header 'heart-beat' must be two numbers and is '{text[:64]}'")
        if self._session.version == V10:
            return 0.0, 0.0
        least = self._session.settings.heart_beat_min
        theirs, ours = (max(number, least) / 1000 if 0 < number <= BEAT_MAX else 0.0 for number in map(int, numbers))
        return theirs, ours

    # ------------------------------------------------------------------ the password

    def _authenticated(self, user: LogInAnswer) -> None:
        session = self._session
        if not session.is_authenticating:
            return
        if user is None and "\\" in self._passcode:
            # CONNECT is not escaped, which not every client knows.
            escaped, self._passcode = self._passcode, ""
            try:
                passcode = unescape(escaped, V12)
            except FrameError:
                passcode = escaped
            if passcode != escaped:
                session.host.authenticate(self._login, passcode, self._authenticated)
                return
        self._passcode = ""
        session.suspended = False
        try:
            if user is BUSY:
                raise StompFailure("Try again later", TOO_MANY_LOG_INS)
            if user is None:
                raise StompFailure("Bad CONNECT", f"Access refused for user '{self._login}'", bare=True)
            self._open(user)
        except StompFailure as failure:
            session.fail(failure, None)
        session.go_on()

    def _open(self, user: User) -> None:
        session = self._session
        name = self._headers.get("host", session.settings.default_vhost)
        if session.dialect.ignores_host or (
            name not in session.broker.vhosts and not session.dialect.requires_known_host
        ):
            name = session.settings.default_vhost
        vhost = session.broker.vhosts.get(name)
        if vhost is None or not user.may_open(name):
            raise StompFailure("Bad CONNECT", f"Virtual host '{name}' access denied", bare=True)
        session.user = user
        session.vhost = vhost
        session.client_id = self._headers.get("client-id", "")
        session.operations = Operations(vhost, user, session, barrier=session.gate)
        session.opened()
        settings = session.settings
        headers = [
            ("version", session.version),
            ("session", f"session-{session.id}"),
            ("heart-beat", f"{int(session.beat_out * 1000)},{int(session.beat_in * 1000)}"),
        ]
        if settings.product:
            headers.append(("server", f"{settings.product}/{settings.version}"))
        if session.dialect.echoes_request_id:
            if "request-id" in self._headers:
                headers.append(("response-id", self._headers["request-id"]))
            if "receipt" in self._headers:
                headers.append(("receipt-id", self._headers["receipt"]))
        session.send_frame("CONNECTED", headers)
        session.journal.logged_in(user.name, name, f"STOMP {session.version}", name=session.client_id)


def _agreed(accepted: str | None) -> str:
    """The highest version that both know (STOMP 1.2 "Protocol Negotiation"). Raises StompFailure."""
    if accepted is None:
        return V10
    asked = {version.strip() for version in accepted.split(",")}
    for version in VERSIONS:
        if version in asked:
            return version
    raise StompFailure("Version mismatch", "Supported versions are 1.0,1.1,1.2")
