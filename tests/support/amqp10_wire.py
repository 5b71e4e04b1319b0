"""A strict AMQP 1.0 client at frame level, over a real socket, with a deadline on every wait.

It sends anything, wrong things included, and shows what comes back as it came: performatives, transfers, the end.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.amqp10_codec import (
    FRAME_HEAD,
    SASL,
    Composite,
    Sym,
    composite,
    decode,
    frame,
    message,
    sections,
)
from tests.support.wire import WAIT, Address, Dropped

SASL_HEADER = b"AMQP\x03\x01\x00\x00"
AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
ACCEPTED, RELEASED, REJECTED = composite("accepted"), composite("released"), composite("rejected")
SENDER, RECEIVER = False, True
WINDOW = 2048


@dataclass
class Frame:
    """One that came: its channel, its performative (None: an empty frame), what comes after it."""

    kind: int
    channel: int
    performative: Composite | None
    payload: bytes
    size: int

    @property
    def name(self) -> str:
        return self.performative.name if self.performative is not None else "empty"


@dataclass
class Delivery:
    """A message that came, put together from its transfers."""

    first: Composite
    payload: bytes
    frames: int
    sizes: list[int]

    @property
    def id(self) -> int:
        return self.first.number("delivery_id")

    @property
    def settled(self) -> bool:
        return bool(self.first["settled"])

    def section(self, code: int) -> object:
        """The value of one of its sections; None where it has none."""
        return next((value for found, value, _ in sections(self.payload) if found == code), None)

    @property
    def header(self) -> Composite:
        """Its header, with nothing in it where it has none."""
        found = self.section(0x70)
        return found if isinstance(found, Composite) else Composite("header", [])

    @property
    def body(self) -> bytes:
        """Its one data section."""
        found = self.section(0x75)
        assert isinstance(found, bytes), self.payload
        return found

    @property
    def bare(self) -> bytes:
        """Properties, application properties and body, as they came."""
        return b"".join(raw for code, _, raw in sections(self.payload) if 0x73 <= code <= 0x77)


class Wire10:
    """A connection."""

    def __init__(self, to: Address, *, timeout: float = WAIT) -> None:
        self.address = to
        self.timeout = timeout
        self.deadline = time.monotonic() + timeout
        self.socket = socket.create_connection((to.host, to.port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.kept: list[Frame] = []
        self.remote: Composite | None = None

    # Bytes

    def send(self, *parts: bytes) -> None:
        """As many bytes at once. What is awaited next has to come within the timeout from now."""
        self.deadline = time.monotonic() + self.timeout
        self.socket.sendall(b"".join(parts))

    def take(self, size: int) -> bytes:
        """The next bytes; Dropped at the end of the stream."""
        while len(self.buffer) < size:
            self.socket.settimeout(max(0.001, self.deadline - time.monotonic()))
            try:
                came = self.socket.recv(1 << 16)
            except ConnectionError:
                came = b""
            if not came:
                raise Dropped
            self.buffer += came
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def ends(self) -> list[Frame]:
        """Everything until the broker ends the connection."""
        found: list[Frame] = []
        if self.address.foreign:  # others may leave the end to the client
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        try:
            while True:
                found.append(self.read())
        except Dropped:
            return found

    def close_socket(self) -> None:
        self.socket.close()

    # Frames

    def perform(self, name: str, channel: int = 0, payload: bytes = b"", /, **fields: object) -> None:
        """Send a performative."""
        self.send(frame(composite(name, **fields) + payload, channel))

    def read(self) -> Frame:
        """The next frame, which must be well-formed; one that was kept for later comes first."""
        if self.kept:
            return self.kept.pop(0)
        size, doff, kind, channel = struct.unpack(">IBBH", self.take(FRAME_HEAD))
        assert size >= FRAME_HEAD
        assert doff >= 2
        body = self.take(size - FRAME_HEAD)[4 * doff - FRAME_HEAD :]
        if not body:
            return Frame(kind, channel, None, b"", size)
        performative, after = decode(body)
        assert isinstance(performative, Composite), performative
        return Frame(kind, channel, performative, body[after:], size)

    def expect(self, name: str, *skipped: str) -> Composite:
        """The next performative, which must be this one; empty frames and these others are passed over."""
        while True:
            found = self.read()
            if found.name == name:
                assert found.performative is not None
                return found.performative
            assert found.name in ("empty", *skipped), f"expected {name}, got {found.performative}"

    # The way in

    def log_in(self, user: str | None = None, password: str | None = None) -> Composite:
        """SASL PLAIN; the outcome."""
        self.send(SASL_HEADER)
        assert self.take(8) == SASL_HEADER
        self.expect("mechanisms")
        self.send(self.plain(user, password))
        return self.expect("outcome")

    def plain(self, user: str | None = None, password: str | None = None) -> bytes:
        """The frame sasl-init."""
        login = f"\0{user or self.address.user}\0{password or self.address.password}".encode()
        init = composite("init", mechanism=Sym("PLAIN"), initial_response=login)
        return frame(init, 0, SASL)

    def enter(self) -> Wire10:
        """Log in and exchange headers, so that open is next."""
        assert self.log_in()["code"] == 0
        self.send(AMQP_HEADER)
        assert self.take(8) == AMQP_HEADER
        return self

    def open(self, **fields: object) -> Wire10:
        """Log in and open."""
        self.enter().perform("open", **{"container_id": "conformance", **fields})
        self.remote = self.expect("open")
        return self

    def close(self) -> None:
        """Close, and hear the same."""
        self.perform("close")
        skipped = ("transfer", "flow", "disposition", "detach", "end", "attach", "begin")
        assert self.expect("close", *skipped)["error"] is None
        assert self.ends() == []

    def session(self, channel: int = 0, /, **fields: object) -> Session10:
        """Begin a session."""
        begun: dict[str, object] = {
            "next_outgoing_id": 0,
            "incoming_window": WINDOW,
            "outgoing_window": WINDOW,
            **fields,
        }
        self.perform("begin", channel, **begun)
        answer = self.read()
        assert answer.name == "begin", answer
        assert answer.performative is not None
        return Session10(self, channel, answer.performative, int(str(begun["next_outgoing_id"])))

    def error(self, performative: str, *skipped: str) -> str:
        """The condition of the error in the performative that must come next."""
        error = self.expect(performative, *skipped).part("error")
        condition = error["condition"]
        assert isinstance(condition, Sym)
        return condition


@dataclass
class Session10:
    """A session, on a channel of ours."""

    wire: Wire10
    channel: int
    begun: Composite
    next_outgoing: int = 0
    next_incoming: int = 0
    next_handle: int = 0
    deliveries: int = 0

    def __post_init__(self) -> None:
        self.next_incoming = self.begun.number("next_outgoing_id")

    def perform(self, name: str, payload: bytes = b"", /, **fields: object) -> None:
        """Send a performative on this channel."""
        self.wire.perform(name, self.channel, payload, **fields)

    def attach(self, role: bool, address: object, /, **fields: object) -> Link10:
        """Attach to a node; the link with the answer, whatever it is."""
        handle = self.next_handle
        self.next_handle += 1
        name = fields.pop("name", f"link-{role}-{handle}")
        source = fields.pop("source", composite("source", address=address, capabilities=Sym("queue")))
        target = fields.pop("target", composite("target", address=address, capabilities=Sym("queue")))
        if role == SENDER:
            fields.setdefault("initial_delivery_count", 0)
            source = composite("source", address="here") if source is not None else None
        else:
            target = composite("target", address="here") if target is not None else None
        self.perform("attach", name=name, handle=handle, role=role, source=source, target=target, **fields)
        return Link10(self, handle, self.wire.expect("attach", "flow"))

    def sender(self, address: object, /, **fields: object) -> Link10:
        """A link to send on, with the broker's first credit."""
        link = self.attach(SENDER, address, **fields)
        while link.credit <= 0:
            link.take_credit(self.wire.expect("flow"))
        return link

    def receiver(self, address: object, credit: int = 0, /, **fields: object) -> Link10:
        """A link to receive on."""
        link = self.attach(RECEIVER, address, **fields)
        link.count = link.answer.number("initial_delivery_count")
        if credit:
            link.give(credit)
        return link

    def flow(self, **fields: object) -> None:
        """A flow, with the session's numbers unless others are given."""
        numbers: dict[str, object] = {
            "next_incoming_id": self.next_incoming,
            "incoming_window": WINDOW,
            "next_outgoing_id": self.next_outgoing,
            "outgoing_window": WINDOW,
        }
        self.perform("flow", **{**numbers, **fields})

    def echo(self, *skipped: str) -> Composite:
        """Ask for the session's flow: whatever the broker did before, has come by then."""
        self.flow(echo=True)
        return self.wire.expect("flow", *skipped)

    def dispose(self, first: int, last: int | None = None, state: object = ACCEPTED, *, settled: bool = True) -> None:
        """A disposition of deliveries that came."""
        self.perform("disposition", role=RECEIVER, first=first, last=last, settled=settled, state=state)

    def end(self) -> None:
        self.perform("end")
        self.wire.expect("end", "transfer", "flow", "disposition", "detach")


@dataclass
class Link10:
    """A link, by our handle and what the broker answered."""

    session: Session10
    handle: int
    answer: Composite
    credit: int = 0
    count: int = 0
    early: list[Frame] = field(default_factory=list)

    def perform(self, name: str, payload: bytes = b"", /, **fields: object) -> None:
        """Send a performative about this link."""
        self.session.perform(name, payload, handle=self.handle, **fields)

    # Sending

    def take_credit(self, flow: Composite) -> None:
        """What the broker's flow gives."""
        if flow["handle"] is not None:
            self.credit = flow.number("delivery_count", 0) + flow.number("link_credit") - self.count

    def transfer(self, payload: bytes, /, **fields: object) -> int:
        """One message in one frame; its delivery-id."""
        session = self.session
        delivery = session.deliveries
        tagged: dict[str, object] = {
            "delivery_id": delivery,
            "delivery_tag": struct.pack(">I", delivery),
            "message_format": 0,
            "settled": False,
        }
        self.perform("transfer", payload, **{**tagged, **fields})
        session.next_outgoing = (session.next_outgoing + 1) & 0xFFFF_FFFF
        if not fields.get("more"):
            session.deliveries = (session.deliveries + 1) & 0xFFFF_FFFF
        self.count += 1
        self.credit -= 1
        return delivery

    def send(self, body: bytes = b"x", /, **header: object) -> None:
        """A message that the broker accepts."""
        self.send_payload(message(body, **header))

    def send_payload(self, payload: bytes, /, **fields: object) -> None:
        """A message, whatever is in it, that the broker accepts."""
        delivery = self.transfer(payload, **fields)
        assert self.outcome(delivery) == "accepted"

    def outcome(self, delivery: int) -> str:
        """The outcome of a delivery, which the broker settles."""
        return self.state(delivery).name

    def state(self, delivery: int) -> Composite:
        """The state in which the broker settles a delivery. Transfers that come before are kept for later."""
        wire, kept = self.session.wire, []
        while True:
            came = wire.read()
            if came.name == "transfer":
                kept.append(came)
                continue
            found = came.performative
            assert came.name in ("empty", "flow", "disposition"), found
            if found is None or came.name == "flow" or found["role"] is not RECEIVER:
                continue
            if found.number("first") <= delivery <= found.number("last", found.number("first")):
                assert found["settled"] is True
                wire.kept = kept + wire.kept
                return found.part("state")

    # Receiving

    def give(self, credit: int, /, **fields: object) -> None:
        """Link credit, from what has come."""
        self.session.flow(handle=self.handle, delivery_count=self.count, link_credit=credit, **fields)

    def receive(self) -> Delivery:
        """The next message."""
        first: Composite | None = None
        payload = b""
        sizes: list[int] = []
        while True:
            found = self.session.wire.read()
            if found.name in ("empty", "flow", "disposition"):
                continue
            transfer = found.performative
            assert found.name == "transfer", transfer
            assert transfer is not None
            self.session.next_incoming = (self.session.next_incoming + 1) & 0xFFFF_FFFF
            first = first or transfer
            payload += found.payload
            sizes.append(found.size)
            if not transfer["more"]:
                self.count = (self.count + 1) & 0xFFFF_FFFF
                return Delivery(first, payload, len(sizes), sizes)

    def accept(self, delivery: Delivery) -> None:
        self.session.dispose(delivery.id)

    def drained(self, *skipped: str) -> Composite:
        """Use up all credit: the flow that says so."""
        self.give(1, drain=True)
        while True:
            flow = self.session.wire.expect("flow", *skipped)
            if flow["handle"] is not None:
                break
        assert flow.number("link_credit") == 0
        self.count = flow.number("delivery_count")
        return flow

    def is_empty(self) -> bool:
        """Does the node have nothing for this link? What it has comes, and is released."""
        self.give(1, drain=True)
        empty = True
        while True:
            found = self.session.wire.read()
            performative = found.performative
            if performative is None or found.name == "disposition":
                continue
            if found.name == "transfer":
                empty = False
                if not performative["settled"]:
                    self.session.dispose(performative.number("delivery_id"), state=RELEASED)
                self.session.next_incoming = (self.session.next_incoming + 1) & 0xFFFF_FFFF
            elif performative["handle"] is not None and performative["link_credit"] == 0:
                self.count = performative.number("delivery_count")
                return empty

    def detach(self, *, closed: bool = True) -> Composite:
        """Detach; the answer."""
        self.perform("detach", closed=closed)
        return self.session.wire.expect("detach", "transfer", "flow", "disposition")

    def refused(self) -> str:
        """The condition with which the broker refused to attach: without a terminus, and detached at once."""
        terminus = "target" if self.answer["role"] is RECEIVER else "source"
        assert self.answer[terminus] is None
        detach = self.session.wire.expect("detach", "flow")
        assert detach["closed"] is True
        condition = detach.part("error")["condition"]
        assert isinstance(condition, Sym)
        return condition


@contextmanager
def connection_error(wire: Wire10, *conditions: str) -> Iterator[None]:
    """The broker closes the connection with one of these conditions, and ends it when we have closed too."""
    yield
    before = ("begin", "flow", "attach", "end", "detach", "disposition", "open")
    assert wire.error("close", *before) in conditions
    wire.perform("close")
    assert [found for found in wire.ends() if found.performative is not None] == []


@contextmanager
def session_error(session: Session10, *conditions: str) -> Iterator[None]:
    """The broker ends the session with one of these conditions, and the connection lives."""
    yield
    assert session.wire.error("end", "flow", "attach", "disposition", "detach") in conditions
    session.perform("end")
    session.wire.session(session.channel + 1).end()


@contextmanager
def link_error(link: Link10, *conditions: str) -> Iterator[None]:
    """The broker detaches the link with one of these conditions, and the session lives."""
    yield
    assert link.session.wire.error("detach", "flow", "disposition", "transfer") in conditions
    link.perform("detach", closed=True)
    link.session.echo()
