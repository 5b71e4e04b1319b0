"""A session carried by WebSocket (RFC 6455): itself a session, so that a connection serves it like any other.

    bytes -> HTTP request -> 101 -> frames -> payload -> the inner session
    bytes <- frames       <- its output, each piece of it one message, or several of a binary subprotocol

The subprotocol determines the inner session. Input is a stream: a message may hold a part of one of the inner session's
frames, or several. Output has the kind that the client used last, text or binary; output that is not UTF-8 is binary.
"""

from __future__ import annotations

import codecs
import http
import logging
from collections.abc import Callable, Mapping

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from batonmq.broker.model.access import User
from batonmq.protocols.sessions.counts import ConnectionCounts
from batonmq.protocols.sessions.heartbeats import OFTEN
from batonmq.protocols.sessions.standing import FINISHED, SUSPENDED
from batonmq.server.interface import Host, Session
from batonmq.server.rounds import how_often
from batonmq.server.signs_of_life import SignsOfLife
from batonmq.server.websocket_handshake import (
    Refusal,
    check_origin,
    check_path,
    find_end,
    select_subprotocol,
)
from batonmq.server.websocket_settings import WebSocketSettings

__all__ = ["WebSocketSession"]

logger = logging.getLogger(__name__)

# At debug level the library logs payloads, passwords included. Its errors show in the code of the close.
_silent = logging.getLogger("batonmq.server.websocket.library")
_silent.setLevel(logging.CRITICAL + 1)

# The largest message until the inner session has first answered, to a log-in, in bytes: clients that cannot log in must
# not fill the memory.
FIRST_MESSAGE_SIZE = 64 * 1024

# The largest message of a binary subprotocol that we send, in bytes: more than that in a frame is refused by clients on
# Netty, Qpid JMS and protonj2 among them. These subprotocols are streams, whose pieces may be of any size.
PIECE_MAX = 65_535

_PAYLOAD = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class WebSocketSession:
    """The server's side of one WebSocket, around the session that `make_session` creates as soon as it is open."""

    __slots__ = (
        "_binary",
        "_decoder",
        "_head",
        "_host",
        "_is_finished",
        "_is_gone",
        "_is_leaving",
        "_is_stopping",
        "_is_text",
        "_is_writable",
        "_life",
        "_made",
        "_make_session",
        "_protocol",
        "_settings",
        "output",
    )

    def __init__(
        self,
        host: Host,
        settings: WebSocketSettings,
        make_session: Callable[[Host], Session],
        binary: Mapping[str, Callable[[Host], Session]] | None = None,
    ) -> None:
        """``binary``: creates sessions for further, binary subprotocols beside those of ``settings``."""
        self._host = host
        self._binary = binary or {}
        self._settings = settings
        self._make_session = make_session
        self._made: Session | None = None
        # The HTTP request so far; None once it was complete.
        self._head: bytes | None = b""
        # Extensions are declined: a compressed message may be a thousand times what its frames are.
        self._protocol = ServerProtocol(
            subprotocols=[Subprotocol(name) for name in (*settings.subprotocols, *self._binary)],
            select_subprotocol=select_subprotocol,
            max_size=min(FIRST_MESSAGE_SIZE, settings.max_message_size),
            logger=_silent,
        )
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_text = True
        # Our part of the closing handshake is done: nothing more is sent.
        self._is_leaving = False
        self._is_stopping = False
        # Has the inner session been told that the connection is lost?
        self._is_gone = False
        self._is_writable = True
        self._life = SignsOfLife(settings.ping_interval)
        self.output: list[bytes] = []
        self._is_finished = False

    # From the connection: batonmq.server.interface.Session

    @property
    def counts(self) -> ConnectionCounts:
        """The counters of the session within."""
        return self._made.counts if self._made is not None else ConnectionCounts()

    def standing(self) -> int:
        """The inner session's standing; it may have ended before its transport."""
        standing = FINISHED if self._is_finished else 0
        if self._made is not None and not self._is_gone:
            standing |= self._made.standing() & ~FINISHED
        return standing

    def go_on(self) -> None:
        """Let the inner session go on with waiting requests."""
        if self._made is not None and not self._is_gone:
            self._made.go_on()

    def needs_flow_control(self) -> bool:
        """Does the client publish faster than consumers can take?"""
        return self._made is not None and not self._is_gone and self._made.needs_flow_control()

    def receive(self, data: bytes) -> None:
        """Bytes from the socket."""
        if self._head is not None:
            data = self._receive_request(self._head, data)
        made = self._made
        if not data or made is None or self._is_leaving:
            return
        self._life.heard()
        payload = self._receive_frames(data)
        if payload and not made.standing() & FINISHED:
            # All at once: a session that starts to wait for the store keeps its input.
            made.receive(payload)

    def turn_ended(self) -> None:
        """Wrap the inner session's output in frames."""
        made = self._made
        if made is None or self._is_gone:
            return
        made.turn_ended()
        self._send_output(made)
        for data in self._protocol.data_to_send():
            if data:
                self.output.append(data)
            else:  # the library's signal to close our side
                self._is_leaving = True
        standing = made.standing()
        if self._is_leaving and (standing & FINISHED or not standing & SUSPENDED):
            # A session that has ended waits for nothing more, such as a slow log-in.
            self._is_finished = True
            self.connection_lost()

    def tick(self, now: float) -> float:
        """The handshake's end, signs of life, and the session's own timers."""
        made = self._made
        if self._is_finished or self._is_gone:
            return OFTEN
        if made is None:
            if self._life.silence(now) > self._settings.handshake_timeout:
                self._refuse(Refusal(http.HTTPStatus.REQUEST_TIMEOUT, "the request did not come to an end in time"))
            return how_often(self._settings.handshake_timeout)
        again = made.tick(now)
        self._look_for_life(now, made)
        if made.output or made.standing() & FINISHED or self._protocol.writes:
            self._host.wake()
        return min(again, self._life.pace)

    def writable(self, is_writable: bool, /) -> None:
        """False while the client does not read its output."""
        self._is_writable = is_writable
        if self._made is not None and not self._is_gone:
            self._made.writable(is_writable)

    def users_changed(self, find: Callable[[str], User | None]) -> None:
        """Rights have changed: tell the inner session."""
        if self._made is not None and not self._is_gone:
            self._made.users_changed(find)

    def shutdown(self, reason: str) -> None:
        """The broker stops: the inner session's last output goes out before the WebSocket is closed."""
        self._is_stopping = True
        if self._made is None:
            self._refuse(Refusal(http.HTTPStatus.SERVICE_UNAVAILABLE, "the broker stops"))
        elif not self._is_gone:
            self._made.shutdown(reason)

    def connection_lost(self, *, in_order: bool = False) -> None:
        """The socket is gone. A page that is left only closes its WebSocket: that counts as orderly."""
        if self._made is not None and not self._is_gone:
            self._is_gone = True
            self._made.connection_lost(in_order=in_order or self._protocol.close_rcvd is not None)
        # Its parser is a generator that refers to it, and its errors refer to their frames: reference cycles.
        vars(self._protocol).clear()

    # The opening handshake (RFC 6455, section 4.2)

    def _receive_request(self, before: bytes, data: bytes) -> bytes:
        """Take in the request, in any pieces; returns the bytes after it."""
        head = before + data
        try:
            end = find_end(head, len(before))
            if end < 0:
                self._head = head
                return b""
            self._open(head[:end])
        except Refusal as refusal:
            self._refuse(refusal)
            return b""
        return head[end:]

    def _open(self, head: bytes) -> None:
        protocol = self._protocol
        protocol.receive_data(head)
        request = next(iter(protocol.events_received()), None)
        if not isinstance(request, Request):
            raise Refusal(http.HTTPStatus.BAD_REQUEST, "this is no request that opens a WebSocket")
        check_path(request, self._settings.path)
        check_origin(request, self._settings.origins, is_loopback=self._host.is_loopback)
        response = protocol.accept(request)
        self._head = None
        if response.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS:
            # Section 4.4: a client with another version is told ours.
            response.headers["Sec-WebSocket-Version"] = "13"
            self.output.append(response.serialize())
            self._is_finished = True
            return
        protocol.send_response(response)
        self._is_text = protocol.subprotocol not in self._binary
        self._made = self._binary.get(str(protocol.subprotocol), self._make_session)(self._host)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer a request that opens nothing, and end."""
        logger.info("%s: refused: %s", self._host.peer, refusal)
        self._head = None
        self.output.append(self._protocol.reject(refusal.status, f"{refusal}\n").serialize())
        self._is_finished = True

    # Frames (RFC 6455, section 5)

    def _receive_frames(self, data: bytes) -> bytes:
        protocol = self._protocol
        protocol.receive_data(data)
        pieces: list[bytes] = []
        for frame in protocol.events_received():
            if isinstance(frame, Frame) and frame.opcode in _PAYLOAD:
                if frame.opcode is Opcode.TEXT and protocol.subprotocol in self._binary:
                    # AMQP over WebSocket, section 2.3.1.
                    protocol.fail(CloseCode.UNSUPPORTED_DATA, "what is no text is sent as binary")
                    break
                if not self._take(frame):
                    # Section 8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte
                    # stream is not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_."
                    protocol.fail(CloseCode.INVALID_DATA, "text that is not UTF-8")
                    break
                pieces.append(bytes(frame.data))
        if protocol.eof_sent:
            self._is_leaving = True
            if protocol.close_rcvd is None:
                logger.warning("%s: WebSocket closed: %s", self._host.peer, protocol.close_sent)
        return b"".join(pieces)

    def _take(self, frame: Frame) -> bool:
        """Note the kind of a message; False: it claims to be text, but is not."""
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
            self._decoder.reset()
        if self._is_text:
            try:
                self._decoder.decode(bytes(frame.data), frame.fin)
            except UnicodeDecodeError:
                return False
        return True

    def _send_output(self, made: Session) -> None:
        protocol = self._protocol
        if protocol.state is OPEN:
            for piece in made.output:
                if self._is_text and _is_utf8(piece):
                    protocol.send_text(piece)
                elif protocol.subprotocol in self._binary:
                    for at in range(0, len(piece), PIECE_MAX):
                        protocol.send_binary(piece[at : at + PIECE_MAX])
                elif piece:
                    protocol.send_binary(piece)
            if made.output:
                protocol.max_message_size = self._settings.max_message_size
            if made.standing() & FINISHED:
                # Section 7.1.1: the server closes the TCP connection first. What the client answers is not waited for.
                protocol.send_close(CloseCode.GOING_AWAY if self._is_stopping else CloseCode.NORMAL_CLOSURE)
                self._is_leaving = True
        made.output.clear()

    def _look_for_life(self, now: float, made: Session) -> None:
        step = self._life.look(
            now,
            can_be_heard=not made.standing() & SUSPENDED and self._is_writable,
            can_be_asked=self._protocol.state is OPEN,
        )
        if step == "ask":
            self._protocol.send_ping(b"")
        elif step == "give up":
            logger.warning("%s: closed: no answer to a ping for %g s", self._host.peer, self._settings.ping_interval)
            self._protocol.fail(CloseCode.INTERNAL_ERROR, "no answer to a ping")


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return bool(data)
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
