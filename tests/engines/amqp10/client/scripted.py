"""A broker that says what a test tells it to, and notes what the client says: no sockets, and no broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from batonmq.engines.amqp10.client.connection import Connection, ConnectionUser, Terms
from batonmq.engines.amqp10.client.login import Credentials
from batonmq.engines.amqp10.client.receiver import Receiver, ReceiverUser
from batonmq.engines.amqp10.client.sender import Sender, SenderUser
from batonmq.errors import BatonError
from batonmq.protocols.amqp10.codec.constants import AMQP_HEADER, FRAME, HEADER, HEARTBEAT, SASL, SASL_HEADER, TRANSFER
from batonmq.protocols.amqp10.codec.encoder import frame, sasl_frame
from batonmq.protocols.amqp10.codec.frames import Event, FrameParser
from batonmq.protocols.amqp10.codec.performatives import (
    Attach,
    Begin,
    DeliveryState,
    Flow,
    Open,
    Performative,
    SaslMechanisms,
    SaslOutcome,
    Source,
    Target,
    Transfer,
)
from batonmq.protocols.amqp10.codec.values import Symbol

P = TypeVar("P")

PLAIN_BODY = b"\x00Su\xa0\x05hello"


class User(ConnectionUser):
    """Notes what becomes of the connection."""

    def __init__(self) -> None:
        self.open: Open | None = None
        self.ended: list[BatonError | None] = []

    def opened(self, opened: Open) -> None:
        self.open = opened

    def closed(self, error: BatonError | None) -> None:
        self.ended.append(error)


class Takes(ReceiverUser):
    """Notes what comes on a link."""

    def __init__(self) -> None:
        self.attach: Attach | None = None
        self.came: list[tuple[int, bytes, bool]] = []
        self.changes: list[tuple[int, DeliveryState | None]] = []
        self.drains = 0
        self.ended: list[BatonError | None] = []

    def attached(self, attach: Attach) -> None:
        self.attach = attach

    def detached(self, error: BatonError | None) -> None:
        self.ended.append(error)

    def delivered(self, delivery_id: int, payload: bytes, *, settled: bool) -> None:
        self.came.append((delivery_id, payload, settled))

    def changed(self, delivery_id: int, state: DeliveryState | None) -> None:
        self.changes.append((delivery_id, state))

    def drained(self) -> None:
        self.drains += 1


class Sends(SenderUser):
    """Notes what becomes of what goes out on a link."""

    def __init__(self) -> None:
        self.attach: Attach | None = None
        self.outcomes: list[tuple[object, DeliveryState | None]] = []
        self.ended: list[BatonError | None] = []

    def attached(self, attach: Attach) -> None:
        self.attach = attach

    def detached(self, error: BatonError | None) -> None:
        self.ended.append(error)

    def settled(self, token: object, state: DeliveryState | None) -> None:
        self.outcomes.append((token, state))


class Scripted:
    """A client and the broker that it speaks to."""

    def __init__(self, credentials: Credentials | None = None, hostname: str = "") -> None:
        self.user = User()
        self.client = Connection(Terms("test", hostname, credentials or Credentials("guest", "secret")), self.user)
        self._parser = FrameParser(1 << 20)
        self.heard: list[Event] = []

    # ------------------------------------------------------------------ what the client says

    def listen(self) -> list[Event]:
        """What it has said since it was asked last."""
        said = self._parser.feed(self.client.take_output())
        self.heard += said
        return said

    def said(self, kind: type[P]) -> list[P]:
        """The performatives of that kind that it has said just now."""
        return [event[2] for event in self.listen() if event[0] == FRAME and isinstance(event[2], kind)]

    def sent(self) -> list[tuple[Transfer, int | None, bytes]]:
        """The transfers that it has made just now."""
        return [(event[2], event[3], event[5]) for event in self.listen() if event[0] == TRANSFER]

    def kinds(self) -> list[int]:
        """What kinds of events it has made just now."""
        return [event[0] for event in self.listen()]

    # ------------------------------------------------------------------ what the broker says

    def say(self, *performatives: Performative, channel: int = 0) -> None:
        self.client.receive(b"".join(frame(channel, each) for each in performatives))

    def log_in(self, mechanisms: Sequence[str] = ("PLAIN",), code: int = 0) -> None:
        offered = SaslMechanisms(sasl_server_mechanisms=[Symbol(name) for name in mechanisms])
        self.client.receive(SASL_HEADER + sasl_frame(offered))
        self.listen()
        if not self.user.ended:
            self.client.receive(sasl_frame(SaslOutcome(code=code)))

    def open(self, opened: Open | None = None) -> Scripted:
        self.log_in()
        self.client.receive(AMQP_HEADER + frame(0, opened or Open(container_id="broker")))
        self.listen()
        return self

    def begin(self, channel: int = 0, *, window: int = 100, handle_max: int | None = None) -> None:
        begin = Begin(
            remote_channel=channel,
            next_outgoing_id=0,
            incoming_window=window,
            outgoing_window=100,
            handle_max=handle_max,
        )
        self.say(begin, channel=channel)

    def receiver(self, handle: int = 0) -> tuple[Receiver, Takes]:
        """A link that is attached on a session of its own."""
        session = self.client.begin()
        user = Takes()
        link = Receiver("link", Source(address="q"), user)
        session.attach(link, receives=True)
        self.begin(session.number)
        attach = Attach(name="link", handle=handle, role=False, source=Source(address="q"), initial_delivery_count=0)
        self.say(attach, channel=session.number)
        self.listen()
        return link, user

    def sender(
        self, credit: int = 10, *, window: int = 100, max_message_size: int | None = None
    ) -> tuple[Sender, Sends]:
        """A link that is attached on a session of its own, and may send so many messages."""
        session = self.client.begin()
        user = Sends()
        link = Sender("link", Target(address="q"), user)
        session.attach(link, receives=False)
        self.begin(session.number, window=window)
        attach = Attach(name="link", handle=0, role=True, target=Target(address="q"), max_message_size=max_message_size)
        self.say(attach, channel=session.number)
        if credit:
            self.give_credit(credit, session.number, window=window)
        self.listen()
        return link, user

    def give_credit(
        self,
        credit: int,
        channel: int = 0,
        *,
        seen: int = 0,
        window: int = 100,
        drain: bool | None = None,
        echo: bool | None = None,
    ) -> None:
        flow = Flow(
            next_incoming_id=seen,
            incoming_window=window,
            next_outgoing_id=0,
            outgoing_window=100,
            handle=0,
            delivery_count=seen,
            link_credit=credit,
            drain=drain,
            echo=echo,
        )
        self.say(flow, channel=channel)

    def transfer(
        self,
        number: int | None,
        payload: bytes = PLAIN_BODY,
        *,
        more: bool | None = None,
        aborted: bool | None = None,
    ) -> None:
        tag = number.to_bytes(4, "big") if number is not None else None
        made = Transfer(handle=0, delivery_id=number, delivery_tag=tag, message_format=0, more=more, aborted=aborted)
        self.client.receive(frame(0, made, payload))


__all__ = ["HEADER", "HEARTBEAT", "PLAIN_BODY", "SASL", "Scripted", "Sends", "Takes", "User"]
