"""A connection: log-in, open, sessions, close (§2.4; part 5 §5.3).

Bytes go in through ``receive``, and out through ``take_output``; the user is told of events. The user keeps the time:
it calls ``beat`` every ``beat_every`` seconds, and ``lost`` when nothing came for too long.

    login header -> login -> header -> opening -> open -> closing -> closed
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from batonmq.engines.amqp10.client.failures import PeerFault, error_of
from batonmq.engines.amqp10.client.login import Credentials, Login
from batonmq.engines.amqp10.client.output import Output
from batonmq.engines.amqp10.client.session import Session
from batonmq.errors import BatonError, ConnectionLost
from batonmq.protocols.amqp10.codec.constants import (
    AMQP_HEADER,
    ERROR,
    FRAME,
    HEADER,
    HEARTBEAT,
    SASL,
    SASL_HEADER,
    TRANSFER,
)
from batonmq.protocols.amqp10.codec.encoder import HEARTBEAT as EMPTY_FRAME, frame, sasl_frame
from batonmq.protocols.amqp10.codec.frames import FrameParser
from batonmq.protocols.amqp10.codec.performatives import Begin, Close, Error, Open
from batonmq.protocols.amqp10.conditions import ILLEGAL_STATE, NOT_ALLOWED

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.frames import Event
    from batonmq.protocols.amqp10.codec.performatives import Performative

__all__ = ["Connection", "ConnectionUser", "Terms"]

FRAME_SIZE: Final = 131_072
CHANNEL_MAX: Final = 65_535
_SMALLEST: Final = 512
# A property of an open that is followed by a close with the reason: Qpid's convention.
_REFUSED: Final = "amqp:connection-establishment-failed"

LOGIN_HEADER: Final = "login header"
LOGIN: Final = "login"
HEADER_AWAITED: Final = "header"
OPENING: Final = "opening"
OPEN: Final = "open"
CLOSING: Final = "closing"
CLOSED: Final = "closed"


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms that we ask for."""

    container_id: str
    """Our container-id: the same for all connections of a program."""
    hostname: str = ""
    """The host, or virtual host, to connect to (§2.7.1)."""
    credentials: Credentials = field(default_factory=Credentials)
    idle_time_out: float = 30.0
    """Seconds of silence allowed to the broker."""
    properties: Mapping[str, object] = field(default_factory=dict)
    """The properties that we announce."""


class ConnectionUser(ABC):
    """The user of a connection, told of its events."""

    __slots__ = ()

    @abstractmethod
    def opened(self, opened: Open) -> None:
        """The broker's open: the connection can be used."""

    @abstractmethod
    def closed(self, error: BatonError | None) -> None:
        """The connection has ended; send the remaining output before closing the socket. None: we closed it."""


class Connection:
    """One connection to a broker, from the first byte to the last."""

    __slots__ = (
        "_by_remote",
        "_events",
        "_login",
        "_output",
        "_parser",
        "_remote_open",
        "_sessions",
        "_state",
        "_terms",
        "_user",
    )

    def __init__(self, terms: Terms, user: ConnectionUser) -> None:
        self._terms = terms
        self._user = user
        self._output = Output()
        self._parser = FrameParser(FRAME_SIZE)
        self._login = Login(terms.credentials, terms.hostname)
        self._state = LOGIN_HEADER
        self._remote_open: Open | None = None
        # Sessions by our channel numbers, and by the broker's.
        self._sessions: dict[int, Session] = {}
        self._by_remote: dict[int, Session] = {}
        self._output.put(SASL_HEADER)

    # ------------------------------------------------------------------ state

    @property
    def is_open(self) -> bool:
        """Can sessions be begun?"""
        return self._state == OPEN

    @property
    def is_closed(self) -> bool:
        """Is it over?"""
        return self._state == CLOSED

    @property
    def phase(self) -> str:
        """What the connection is waiting for, for error texts."""
        return self._state

    @property
    def beat_every(self) -> float:
        """Seconds after which an empty frame is due if nothing else was sent (§2.4.5); 0: never."""
        opened = self._remote_open
        return (opened.idle_time_out or 0) / 2000 if opened is not None else 0.0

    @property
    def channel_max(self) -> int:
        """The highest number of a session that both sides take."""
        opened = self._remote_open
        most = opened.channel_max if opened is not None else None
        return CHANNEL_MAX if most is None else most

    @property
    def session_count(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    # ------------------------------------------------------------------ from here

    def take_output(self) -> bytes:
        """The bytes to send."""
        self.say_settled()
        return self._output.take()

    def say_settled(self) -> None:
        """Send settlements before anything that is said next, in any session."""
        for session in self._sessions.values():
            session.flush()

    def beat(self) -> None:
        """Send an empty frame."""
        if self._state in (OPEN, CLOSING):
            self._output.put(EMPTY_FRAME)

    def begin(self, *, for_one: bool = False) -> Session:
        """Begin a session. ``for_one``: it ends with the last of its links. Raises ConnectionLost."""
        if self._state != OPEN:
            raise ConnectionLost("the connection is not open")
        number = 0
        while number in self._sessions:
            number += 1
        if number > self.channel_max:
            raise ConnectionLost(f"the broker takes no more than {self.channel_max + 1} sessions")
        session = Session(self._output, number, self._frame_size(), self._drop, for_one=for_one)
        self._sessions[number] = session
        return session

    def _frame_size(self) -> int:
        most = self._remote_open.max_frame_size if self._remote_open is not None else None
        return FRAME_SIZE if most is None else max(_SMALLEST, min(most, FRAME_SIZE))

    def close(self) -> None:
        """Send close; the user is told when the broker has closed, too."""
        if self._state == OPEN:
            self.say_settled()
            self._state = CLOSING
            self._say(Close())
        elif self._state not in (CLOSING, CLOSED):
            self._finish(None)

    def lost(self, error: BatonError) -> None:
        """End the connection: the socket is gone, or the broker was silent for too long."""
        self._finish(None if self._state == CLOSING else error)

    # ------------------------------------------------------------------ from the broker

    def receive(self, data: bytes) -> None:
        """Bytes that came, in any pieces."""
        try:
            for event in self._parser.feed(data):
                if event[0] == TRANSFER:
                    session = self._by_remote.get(event[1])
                    if session is None:
                        raise PeerFault(NOT_ALLOWED, f"a transfer came on the channel {event[1]}")
                    session.take_transfer(event[2], event[3], event[5])
                else:
                    self._take(event)
                if self._state == CLOSED:
                    return
        except PeerFault as fault:
            self._fail(fault.condition, str(fault))

    def _take(self, event: Event) -> None:
        """Raises PeerFault."""
        if event[0] == ERROR:
            self._fail(event[1], event[2])
            return
        if event[0] == HEARTBEAT:
            return
        step = self._STEPS.get((self._state, event[0]))
        if step is None:
            what = "a protocol header" if event[0] == HEADER else "a frame"
            raise PeerFault(ILLEGAL_STATE, f"{what} came in the wrong place: {self._state}")
        step(self, event)

    def _login_header_came(self, event: Any) -> None:  # noqa: ANN401
        if event[1] != SASL_HEADER:
            self._finish(ConnectionLost(_other_protocol(event[1])))
            return
        self._state = LOGIN

    def _login_came(self, event: Any) -> None:  # noqa: ANN401
        try:
            answer = self._login.take(event[1])
        except BatonError as error:
            self._finish(error)
            return
        if answer is not None:
            self._output.put(sasl_frame(answer))
        if self._login.is_done:
            self._state = HEADER_AWAITED
            self._output.put(AMQP_HEADER)
            terms = self._terms
            self._say(
                Open(
                    container_id=terms.container_id,
                    hostname=terms.hostname or None,
                    max_frame_size=FRAME_SIZE,
                    channel_max=CHANNEL_MAX,
                    idle_time_out=round(terms.idle_time_out * 1000) or None,
                    properties=terms.properties or None,
                )
            )

    def _header_came(self, event: Any) -> None:  # noqa: ANN401
        if event[1] != AMQP_HEADER:
            self._finish(ConnectionLost(_other_protocol(event[1])))
            return
        self._state = OPENING

    def _opening_came(self, event: Any) -> None:  # noqa: ANN401
        _, _, performative, _ = event
        if isinstance(performative, Open):
            self._remote_open = performative
            self._state = OPEN
            if _REFUSED in (performative.properties or {}):
                # A close with the reason follows.
                return
            self._user.opened(performative)
        elif isinstance(performative, Close):
            self._close_came(performative)
        else:
            raise PeerFault(ILLEGAL_STATE, f"{performative.NAME} came before open")

    def _frame_came(self, event: Any) -> None:  # noqa: ANN401
        _, channel, performative, _ = event
        if isinstance(performative, Close):
            self._close_came(performative)
            return
        if isinstance(performative, Begin):
            number = performative.remote_channel
            session = self._sessions.get(number) if number is not None else None
            if session is None or channel in self._by_remote:
                raise PeerFault(NOT_ALLOWED, "a session was begun that nobody asked for")
            self._by_remote[channel] = session
            session.begin_came(performative)
            return
        found = self._by_remote.get(channel)
        if found is None or isinstance(performative, Open):
            raise PeerFault(NOT_ALLOWED, f"{performative.NAME} came on the channel {channel}")
        found.take(performative)

    def _drop(self, session: Session) -> None:
        """A session has ended on both sides: free its numbers."""
        self._sessions = {number: one for number, one in self._sessions.items() if one is not session}
        self._by_remote = {number: one for number, one in self._by_remote.items() if one is not session}

    def _close_came(self, close: Close) -> None:
        if self._state != CLOSING:
            self._say(Close())
        error = error_of(close.error, "the broker closed the connection without a reason")
        opened = self._remote_open
        was_open = opened is not None and _REFUSED not in (opened.properties or {})
        if not isinstance(error, ConnectionLost) and was_open and self._state == OPEN:
            error = ConnectionLost(f"the broker closed the connection: {error}")
        self._finish(None if self._state == CLOSING else error)

    # ------------------------------------------------------------------ the end

    def _say(self, performative: Performative) -> None:
        self._output.put(frame(0, performative))

    def _fail(self, condition: str, text: str) -> None:
        """The broker broke the protocol."""
        if self._state in (OPEN, CLOSING):
            self._say(Close(error=Error(condition=condition, description=text)))
        self._finish(ConnectionLost(f"what came does not make sense as AMQP 1.0: {text}"))

    def _finish(self, error: BatonError | None) -> None:
        if self._state == CLOSED:
            return
        self._state = CLOSED
        reason = error or ConnectionLost("the connection was closed")
        sessions = list(self._sessions.values())
        self._sessions.clear()
        self._by_remote.clear()
        for session in sessions:
            session.lost(reason)
        self._user.closed(error)

    _STEPS: ClassVar[dict[tuple[str, int], Callable[[Connection, Any], None]]] = {
        (LOGIN_HEADER, HEADER): _login_header_came,
        (LOGIN, SASL): _login_came,
        (HEADER_AWAITED, HEADER): _header_came,
        (OPENING, FRAME): _opening_came,
        (OPEN, FRAME): _frame_came,
        (CLOSING, FRAME): _frame_came,
    }


def _other_protocol(header: bytes) -> str:
    if header.startswith(b"AMQP"):
        return f"what listens there does not speak AMQP 1.0, but answers with {header!r}"
    return f"what listens there does not speak AMQP, but answers with {header!r}"
