# ruff: noqa: ANN401 (fields of performatives come as they are)
"""A client over a socket that sends the frames it is told to, right or wrong, and tells what comes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from batonmq.protocols.amqp10.codec.constants import FRAME, TRANSFER
from batonmq.protocols.amqp10.codec.encoder import frame, sasl_frame
from batonmq.protocols.amqp10.codec.frames import FrameParser
from batonmq.protocols.amqp10.codec.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    MessageProperties,
    Open,
    Performative,
    SaslInit,
    SaslOutcome,
    Source,
    Target,
    Transfer,
)
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import Described, Symbol, UByte, UInt, ULong, encode
from tests.support.wire import Address

SASL_HEADER = b"AMQP\x03\x01\x00\x00"
AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
# Seconds for an answer on a busy machine.
PATIENCE = 20.0
WINDOW = UInt(2048)

T = TypeVar("T")


class Gone(Exception):
    """The broker has ended the connection."""


class RawClient:
    """One connection."""

    def __init__(self, address: Address, vhost: str = "") -> None:
        self._socket = socket.create_connection((address.host, address.port), PATIENCE)
        self._parser = FrameParser(131_072)
        self._came: list[object] = []
        self._address = address
        self._hostname = f"vhost:{vhost}" if vhost else address.host
        self._deliveries = 0
        self._requests = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    # ------------------------------------------------------------------ frames

    def feed(self, data: bytes) -> None:
        """Send octets."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Gone from error

    def say(self, performative: Performative, payload: bytes = b"", channel: int = 0) -> None:
        """Send a performative."""
        self.feed(frame(channel, performative, payload))

    def wait(self, is_it: Callable[[object], bool]) -> object:
        """The first that is what is waited for; what comes before it is kept for others."""
        until = time.monotonic() + PATIENCE
        at = 0
        while True:
            while at < len(self._came):
                if is_it(self._came[at]):
                    return self._came.pop(at)
                at += 1
            self._receive(until)

    def get(self, *kinds: type[T]) -> T:
        """The first of one of these kinds."""
        found: Any = self.wait(lambda each: isinstance(each, kinds))
        return found  # type: ignore[no-any-return]

    def _receive(self, until: float) -> None:
        self._socket.settimeout(max(0.01, until - time.monotonic()))
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise AssertionError(f"nothing came but {self._came}") from None
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        for event in self._parser.feed(data):
            if event[0] == FRAME:
                self._came.append(event[2])
            elif event[0] == TRANSFER:
                self._came.append(event)
            else:
                self._came.append(event[1] if len(event) > 1 else event)

    # ------------------------------------------------------------------ steps

    def open(self) -> Open:
        """Log in by PLAIN, and open."""
        init = SaslInit(
            mechanism=Symbol("PLAIN"), initial_response=f"\0{self._address.user}\0{self._address.password}".encode()
        )
        self.feed(SASL_HEADER + sasl_frame(init))
        outcome = self.get(SaslOutcome)
        assert outcome.code == 0, outcome
        self.feed(AMQP_HEADER)
        self.say(Open(container_id="raw", hostname=self._hostname))
        return self.get(Open)

    def begin(self, channel: int = 0) -> Begin:
        """Begin a session."""
        self.say(Begin(next_outgoing_id=UInt(0), incoming_window=WINDOW, outgoing_window=WINDOW), channel=channel)
        return self.get(Begin)

    def start(self) -> RawClient:
        """Open, and begin a session on channel 0."""
        self.open()
        self.begin()
        return self

    def attach_sender(self, handle: int, address: str | None, **fields: Any) -> Attach | Detach | End | Close:
        """Attach a link to send over; tells our attach, or the error that ended anything."""
        values: dict[str, Any] = {
            "name": f"sender-{handle}",
            "source": Source(),
            "target": Target(address=address),
            "initial_delivery_count": UInt(0),
            **fields,
        }
        self.say(Attach(handle=UInt(handle), role=False, **values))
        return self._attached()

    def attach_receiver(self, handle: int, address: str | None, **fields: Any) -> Attach | Detach | End | Close:
        """Attach a link to receive over."""
        values: dict[str, Any] = {
            "name": f"receiver-{handle}",
            "source": Source(address=address),
            "target": Target(),
            **fields,
        }
        self.say(Attach(handle=UInt(handle), role=True, **values))
        return self._attached()

    def _attached(self) -> Attach | Detach | End | Close:
        answer: Any = self.get(Attach, End, Close)
        if isinstance(answer, Attach) and (answer.target if answer.role else answer.source) is None:
            return self.get(Detach)
        return answer  # type: ignore[no-any-return]

    def credit(self, handle: int, credit: int, **fields: Any) -> None:
        """Let that many deliveries come."""
        values: dict[str, Any] = {
            "next_incoming_id": UInt(0),
            "incoming_window": WINDOW,
            "next_outgoing_id": UInt(0),
            "outgoing_window": WINDOW,
            "handle": UInt(handle),
            "delivery_count": UInt(0),
            "link_credit": UInt(credit),
            **fields,
        }
        self.say(Flow(**values))

    def transfer(self, handle: int, payload: bytes, **fields: Any) -> None:
        """Send a message in one transfer."""
        number = self._deliveries
        self._deliveries += 1
        values: dict[str, Any] = {
            "handle": UInt(handle),
            "delivery_id": UInt(number),
            "delivery_tag": number.to_bytes(4, "big"),
            "message_format": UInt(0),
            "settled": False,
            **fields,
        }
        self.say(Transfer(**values), payload)

    def outcome(self) -> object:
        """What became of a message that was sent."""
        disposition: Any = self.get(Disposition, Detach, End, Close)
        return disposition.state if isinstance(disposition, Disposition) else disposition

    def delivery(self) -> tuple[int, bytes]:
        """The number of the next delivery, and its message, if that is one transfer."""
        event: Any = self.wait(lambda each: isinstance(each, tuple) and each[0] == TRANSFER)
        return int(event[3]), bytes(event[5])

    # ------------------------------------------------------------------ management

    def pair(self) -> None:
        """Attach the link pair of management, on the handles 100 and 101."""
        name, pairing = "management-link-pair", {Symbol("paired"): True}
        ends = {"source": Source(address="/management"), "target": Target(address="/management")}
        for handle, attach in ((100, self.attach_sender), (101, self.attach_receiver)):
            modes = {"snd_settle_mode": UByte(1), "rcv_settle_mode": UByte(0)}
            answer = attach(handle, "/management", name=name, properties=pairing, **ends, **modes)
            assert isinstance(answer, Attach), answer
        self.get(Flow)
        self.credit(101, 1000)

    def ask(self, method: str, path: str, body: object = None, **fields: Any) -> tuple[str, object]:
        """Status and body of the answer to a request. Raises Gone, or AssertionError, if none comes."""
        number = self._requests = self._requests + 1
        values: dict[str, Any] = {"message_id": ULong(number), "to": path, "subject": method, "reply_to": "$me"}
        properties = MessageProperties(**{**values, **fields})
        payload = properties.encoded() + encode(Described(ULong(0x77), body))
        self.transfer(100, payload, settled=True)
        event: Any = self.wait(
            lambda each: isinstance(each, Detach | End | Close) or (isinstance(each, tuple) and each[0] == TRANSFER)
        )
        if not isinstance(event, tuple):
            return type(event).__name__, event.error
        sections = Sections(bytes(event[5]))
        answered = sections.properties()
        assert answered is not None
        assert answered.correlation_id == values["message_id"], answered
        return str(answered.subject), sections.body_values()[0]


__all__ = ["Gone", "RawClient"]
