# ruff: noqa: ANN401 (fields of performatives come as they are)
"""A client without a socket: performatives into a session on a driven broker, and those that come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from proof.by_hand import Host

from batonmq.broker import User
from batonmq.protocols.amqp10.codec.constants import FRAME, HEADER, SASL, TRANSFER
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
    Open,
    Performative,
    SaslInit,
    SaslOutcome,
    Source,
    Target,
    Transfer,
)
from batonmq.protocols.amqp10.codec.values import Symbol, UInt
from batonmq.protocols.amqp10.containers import Containers
from batonmq.protocols.amqp10.session import amqp10_session
from batonmq.protocols.amqp10.settings import Amqp10Settings
from tests.support.driven import EVERYTHING, Driven

SASL_HEADER = b"AMQP\x03\x01\x00\x00"
AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
ACCEPTED = {"guest": ("guest", EVERYTHING)}
TICK = 0.25

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A transfer that came."""

    transfer: Transfer
    delivery_id: int
    tag: bytes
    payload: bytes

    @property
    def body(self) -> bytes:
        """The data section at the end of a short message."""
        head, _, _ = self.payload.rpartition(b"\x00\x53\x75\xa0")
        return self.payload[len(head) + 5 :]


def message(body: bytes, *sections: bytes) -> bytes:
    """A message with one short data section."""
    return b"".join(sections) + b"\x00\x53\x75\xa0" + bytes((len(body),)) + body


class Client:
    """One connection. What it is sent is collected until it is asked for."""

    def __init__(
        self,
        driven: Driven,
        settings: Amqp10Settings | None = None,
        *,
        users: Mapping[str, tuple[str, User]] = ACCEPTED,
        containers: Containers | None = None,
    ) -> None:
        self.driven = driven
        self.host = Host(users)
        self.session = amqp10_session(
            driven.broker, self.host, settings or Amqp10Settings(), containers or Containers()
        )
        self.parser = FrameParser()
        self.came: list[object] = []
        self.raw = b""
        self._next_handle = 0
        self._next_delivery = 0

    # ------------------------------------------------------------------ out

    def feed(self, data: bytes) -> list[object]:
        """Bytes, and all that comes until the broker is at rest."""
        self.session.receive(data)
        return self.read()

    def say(self, performative: Performative, payload: bytes = b"", channel: int = 0) -> list[object]:
        """A performative in a frame, and all that comes until the broker is at rest."""
        return self.feed(frame(channel, performative, payload))

    def read(self) -> list[object]:
        """What came since the last time: headers, performatives, deliveries."""
        for _ in range(3):
            self.driven.settle()
            self.session.turn_ended()
            data = b"".join(self.session.output)
            self.session.output.clear()
            self.raw += data
            for event in self.parser.feed(data):
                if event[0] == TRANSFER:
                    self.came.append(Delivery(event[2], event[3] or 0, event[4] or b"", event[5]))
                elif event[0] == FRAME:
                    self.came.append(event[2])
                elif event[0] in (HEADER, SASL):
                    self.came.append(event[1])
                else:
                    self.came.append(event)
        came, self.came = self.came, []
        return came

    # ------------------------------------------------------------------ steps

    def log_in(self, user: str = "guest", password: str = "guest") -> None:
        """SASL PLAIN, and the header of AMQP."""
        self.feed(SASL_HEADER)
        init = SaslInit(mechanism=Symbol("PLAIN"), initial_response=f"\0{user}\0{password}".encode())
        (outcome,) = self.feed(sasl_frame(init))
        assert isinstance(outcome, SaslOutcome), outcome
        assert outcome.code == 0
        assert self.feed(AMQP_HEADER) == [AMQP_HEADER]

    def open(self, container_id: str = "test", **fields: Any) -> Open:
        """Log in and open the connection."""
        self.log_in()
        return one(self.say(Open(container_id=container_id, **fields)), Open)

    def begin(self, channel: int = 0, **fields: Any) -> Begin:
        """Open, unless that is done, and begin a session."""
        windows = {"incoming_window": UInt(2048), "outgoing_window": UInt(2048)}
        values: dict[str, Any] = {"next_outgoing_id": UInt(0), **windows}
        return one(self.say(Begin(**{**values, **fields}), channel=channel), Begin)

    def start(self, **fields: Any) -> Client:
        """Open, and begin a session on channel 0."""
        self.open()
        self.begin(**fields)
        return self

    def sender(self, address: str | None, name: str = "sender", channel: int = 0, **fields: Any) -> int:
        """Attach a link to send over; tells its handle."""
        handle = self._next_handle
        self._next_handle += 1
        attach = Attach(
            name=name,
            handle=UInt(handle),
            role=False,
            source=Source(),
            target=Target(address=address),
            initial_delivery_count=UInt(0),
            **fields,
        )
        came = self.say(attach, channel=channel)
        answer = one(came, Attach)
        assert not [each for each in came if isinstance(each, Detach)], came
        assert answer.target is not None
        assert one(came, Flow).link_credit
        return handle

    def receiver(self, address: str, credit: int = 0, name: str = "receiver", channel: int = 0, **fields: Any) -> int:
        """Attach a link to receive over, with that much credit; tells its handle."""
        handle = self._next_handle
        self._next_handle += 1
        source = fields.pop("source", None) or Source(address=address)
        attach = Attach(name=name, handle=UInt(handle), role=True, source=source, target=Target(), **fields)
        came = self.say(attach, channel=channel)
        answer = one(came, Attach)
        assert not [each for each in came if isinstance(each, Detach)], came
        assert answer.source is not None
        if credit:
            came = self.credit(handle, credit, channel=channel)
            self.came += came
        return handle

    def credit(
        self, handle: int, credit: int, channel: int = 0, delivery_count: int = 0, **fields: Any
    ) -> list[object]:
        """Give credit; tells what came."""
        values: dict[str, Any] = {
            "next_incoming_id": UInt(0),
            "incoming_window": UInt(2048),
            "next_outgoing_id": UInt(0),
            "outgoing_window": UInt(2048),
            "handle": UInt(handle),
            "delivery_count": UInt(delivery_count),
            "link_credit": UInt(credit),
        }
        return self.say(Flow(**{**values, **fields}), channel=channel)

    def transfer(self, handle: int, payload: bytes, channel: int = 0, **fields: Any) -> list[object]:
        """Send one message in one transfer; tells what came."""
        number = self._next_delivery
        self._next_delivery += 1
        values: dict[str, Any] = {
            "handle": UInt(handle),
            "delivery_id": UInt(number),
            "delivery_tag": number.to_bytes(4, "big"),
            "message_format": UInt(0),
            "settled": False,
        }
        return self.say(Transfer(**{**values, **fields}), payload, channel=channel)

    def settle(self, first: int, state: Any, last: int | None = None, *, settled: bool = True) -> list[object]:
        """Tell what became of deliveries; tells what came."""
        return self.say(Disposition(role=True, first=UInt(first), last=last, settled=settled, state=state))

    def lose(self) -> None:
        """The socket is gone."""
        self.session.connection_lost()
        self.driven.settle()


def one(came: list[object], kind: type[T]) -> T:
    """The only one of its kind."""
    (found,) = of(came, kind)
    return found


def of(came: list[object], kind: type[T]) -> list[T]:
    """All of its kind."""
    return [each for each in came if isinstance(each, kind)]


def condition_of(performative: Detach | End | Close) -> str:
    """The condition of the error that ends something."""
    assert performative.error is not None
    return str(performative.error.condition)
