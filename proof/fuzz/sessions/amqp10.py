"""AMQP 1.0: performatives in any order with fields that are mostly right, and frames that are mostly whole."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Final

from batonmq.protocols.amqp10 import DIALECTS, Amqp10Settings, Containers, amqp10_session
from batonmq.protocols.amqp10.codec import performatives as of
from batonmq.protocols.amqp10.codec.composites import COMPOSITES, Composite, encode_composite
from batonmq.protocols.amqp10.codec.constants import TRANSFER
from batonmq.protocols.amqp10.codec.encoder import HEARTBEAT, frame, sasl_frame
from batonmq.protocols.amqp10.codec.encoding import encode
from batonmq.protocols.amqp10.codec.frames import Event, FrameParser
from batonmq.protocols.amqp10.codec.values import Described, EncodeError, Symbol, UInt, ULong
from batonmq.protocols.sessions.session import Session
from proof.by_hand import Host
from proof.fuzz.choices import Choices
from proof.fuzz.sessions.attack import USERS, Attack
from proof.fuzz.target import Take, Target

__all__ = ["ALL", "BODIES", "composite", "frame_of", "message", "sessions"]

SASL_HEADER = b"AMQP\x03\x01\x00\x00"
AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
INIT = sasl_frame(of.SaslInit(mechanism=Symbol("PLAIN"), initial_response=b"\0guest\0guest"))
OPEN = frame(0, of.Open(container_id="any"))
BEGIN = frame(0, of.Begin(next_outgoing_id=UInt(0), incoming_window=UInt(100), outgoing_window=UInt(100)))
LOG_IN = SASL_HEADER + INIT + AMQP_HEADER + OPEN
SENDER = frame(
    0, of.Attach(name="s", handle=0, role=False, initial_delivery_count=0, target=of.Target(address="/queues/q"))
)
RECEIVER = frame(0, of.Attach(name="r", handle=1, role=True, source=of.Source(address="/queues/q")))
COORDINATOR = frame(0, of.Attach(name="c", handle=2, role=False, initial_delivery_count=0, target=of.Coordinator()))
CREDIT = frame(
    0,
    of.Flow(
        next_incoming_id=0, incoming_window=100, next_outgoing_id=0, outgoing_window=100, handle=1, link_credit=2,
        delivery_count=0,
    ),
)  # fmt: skip
BEGINNINGS: Final = (
    (),
    (SASL_HEADER,),
    (SASL_HEADER, INIT),
    (SASL_HEADER + INIT, AMQP_HEADER),
    (LOG_IN,),
    *[(LOG_IN + BEGIN,)] * 3,
    *[(LOG_IN + BEGIN + SENDER + RECEIVER + CREDIT,)] * 4,
    *[(LOG_IN + BEGIN + SENDER + RECEIVER + COORDINATOR + CREDIT,)] * 4,
)
SAID: Final[tuple[type[Composite], ...]] = (
    *[of.Attach] * 6, *[of.Flow] * 5, *[of.Transfer] * 8, *[of.Disposition] * 6, *[of.Detach] * 3, of.End,
    *[of.Begin] * 2, of.Close, of.Open,
)  # fmt: skip
ALL: Final = tuple(dict.fromkeys(COMPOSITES.values()))
ADDRESSES: Final = (
    "q", "/queues/q", "/queues/rich", "/queues/dead", "topic://t", "/exchanges/amq.topic/a.b", "/exchanges/none", "",
    "/queues/%", "/queue/new", "queue://q", "temp-queue://x", "a::q", "/management", "$management", "/topic/a.*", "new",
    "/exchange/amq.headers/", "x" * 300, "/queues/a%0Ab", None,
)  # fmt: skip
SYMBOLS: Final = tuple(
    Symbol(text)
    for text in (
        "queue", "topic", "copy", "move", "never", "link-detach", "session-end", "connection-close", "temporary-queue",
        "shared", "global", "amqp:accepted:list", "amqp:rejected:list", "amqp:internal-error", "PLAIN", "ANONYMOUS",
        "selector", "no-local", "x-opt-delivery-delay", "x-opt-priority", "paired", "LINK_PAIR_V1_0", "text/plain",
        "rabbitmq:priority", "lifetime-policy", "x-opt-delivery-time", "supported-dist-modes", "ANONYMOUS-RELAY",
    )
)  # fmt: skip
NAMES: Final = ("s", "r", "c", "x", "")
FILTERS: Final[tuple[tuple[str, object], ...]] = (
    ("apache.org:selector-filter:string", "a = 1"), ("apache.org:selector-filter:string", "a >"),
    ("apache.org:no-local-filter:list", []), ("amqp:sql-filter", "properties.subject LIKE 'a%'"),
    ("rabbitmq:stream-offset-spec", "first"), ("apache.org:selector-filter:string", 5),
)  # fmt: skip
BODIES: Final = (
    b"\x00\x53\x75\xa0\x01a", b"\x00\x53\x77\xa1\x01a", b"\x00\x53\x76\x45", b"\x00\x53\x77\x40", b"", b"\x00\x53\x75",
    b"\x00\x53\x77\xc1\x01\x00", b"\x00\x53\x75\xa0\x02ab\x00\x53\x75\xa0\x01c", b"\x00\x53\x77\x83" + b"\xff" * 8,
)  # fmt: skip


def message(choices: Choices) -> bytes:
    """The sections of a message."""
    kind = choices.byte()
    made = b""
    if kind & 1:
        made += encode_composite(of.Header(durable=bool(kind & 2), priority=kind & 4, ttl=choices.number(2)))
    if kind & 8:
        made += _map(0x72, choices)
    if kind & 16:
        made += encode_composite(
            of.MessageProperties(
                message_id=choices.one_of(("m", b"m", None, ULong(1 << 63))),
                to=choices.one_of(ADDRESSES),
                reply_to=choices.one_of(ADDRESSES),
                subject=choices.one_of(("a.b", None, "x" * 300, "GET")),
                group_id=choices.one_of((None, "g")),
                absolute_expiry_time=choices.one_of((None, 1, 1_700_000_002_000)),
                user_id=choices.one_of((None, b"guest", b"other")),
            )
        )
    if kind & 32:
        made += _map(0x74, choices)
    made += choices.one_of(BODIES)
    if kind & 64:
        made += choices.one_of((b"\x00\x53\x78\xc1\x01\x00", choices.octets(6), bytes(1000)))
    return made


def _map(code: int, choices: Choices) -> bytes:
    entries: dict[object, object] = {}
    for _ in range(choices.below(4)):
        key = choices.one_of(SYMBOLS) if code == 0x72 else choices.one_of(("a", "x-delay", "x-cron", "x-period"))
        entries[key] = _any(choices, 1)
    try:
        return b"\x00\x53" + bytes((code,)) + encode(entries)
    except EncodeError:
        return b""


def _any(choices: Choices, depth: int = 0) -> object:
    kind = choices.byte()
    if kind < 60 or depth > 3:
        return (None, True, False, 0, 1, "a", "q", b"\xff", UInt(5), ULong(1 << 40), 1.5, "* * * * *")[kind % 12]
    if kind < 120:
        return choices.one_of(SYMBOLS)
    if kind < 160:
        return UInt(choices.number(4))
    if kind < 190:
        return [_any(choices, depth + 1) for _ in range(choices.below(4))]
    if kind < 210:
        return {choices.one_of(SYMBOLS): _any(choices, depth + 1) for _ in range(choices.below(3))}
    if kind < 230:
        return Described(ULong(choices.number(1)), _any(choices, depth + 1))
    return composite(choices, choices.one_of(ALL), depth + 1)


def composite(choices: Choices, cls: type[Composite], depth: int = 0) -> Composite:
    """A composite value of this type, with fields that are mostly right."""
    made = cls.__new__(cls)
    for part in cls.LAYOUT:
        object.__setattr__(made, part.name, _field(choices, part.name, part.kind, part.mandatory, depth))
    return made


def _field(choices: Choices, name: str, kind: str, mandatory: bool, depth: int) -> object:
    """A value for a field: mostly of its type."""
    if not mandatory and choices.chance(3):
        return None
    found = _TYPED.get(kind)
    if found is not None:
        return found(choices)
    if name in _NAMED:
        return _NAMED[name](choices)
    if kind in ("Source", "Target", "AnyTarget", "Error", "DeliveryState", "Outcome") and depth < 3:
        return composite(choices, choices.one_of(_PROVIDING[kind]), depth + 1)
    if kind == "Fields" and name == "filter":
        text, value = choices.one_of(FILTERS)
        return {choices.one_of(SYMBOLS): Described(Symbol(text), value)}
    if kind in ("Fields", "Annotations", "AnyMap"):
        return {choices.one_of(SYMBOLS): _any(choices, depth + 1) for _ in range(choices.below(3))}
    return _any(choices, depth + 1) if kind == "AnyValue" else None


_NAMED: Final[dict[str, Callable[[Choices], object]]] = {
    "address": lambda choices: choices.one_of(ADDRESSES),
    "name": lambda choices: choices.one_of(NAMES),
    "txn_id": lambda choices: choices.one_of((b"\0\0\0\0", b"\0\0\0\1", b"", b"\0\0\0\2", b"\1", b"\0" * 8)),
    "hostname": lambda choices: choices.one_of((None, "vhost:/", "vhost:none", "localhost")),
}
_TYPED: Final[dict[str, Callable[[Choices], object]]] = {
    "Boolean": lambda choices: choices.chance(2),
    "Ubyte": lambda choices: choices.number(1),
    "Ushort": lambda choices: choices.number(2),
    "Uint": lambda choices: choices.number(4),
    "Ulong": lambda choices: choices.number(8),
    "Symbol": lambda choices: choices.one_of(SYMBOLS),
    "Symbols": lambda choices: [choices.one_of(SYMBOLS) for _ in range(choices.below(4))],
    "SenderSettleMode": lambda choices: choices.below(3),
    "ReceiverSettleMode": lambda choices: choices.below(2),
    "Durability": lambda choices: choices.below(3),
    "SaslCode": lambda choices: choices.below(5),
    "DeliveryTag": lambda choices: choices.octets(choices.below(33)),
    "MessageId": lambda choices: choices.one_of(("m", b"m", ULong(5))),
    "Timestamp": lambda choices: choices.number(4),
}
_PROVIDING: Final[dict[str, tuple[type[Composite], ...]]] = {
    "Source": (of.Source,),
    "Target": (of.Target,),
    "AnyTarget": (of.Target, of.Target, of.Coordinator),
    "Error": (of.Error,),
    "Outcome": (of.Accepted, of.Released, of.Rejected, of.Modified),
    "DeliveryState": (
        of.Accepted, of.Accepted, of.Released, of.Rejected, of.Modified, of.TransactionalState, of.TransactionalState,
        of.Received, of.Declared,
    ),
}  # fmt: skip


class Amqp10Attack(Attack[Event]):
    """A client of AMQP 1.0."""

    def __init__(self, choices: Choices) -> None:
        self.settings = Amqp10Settings(
            dialect=choices.one_of(tuple(DIALECTS.values())),
            max_frame_size=4096,
            channel_max=3,
            handle_max=4,
            max_message_size=20_000,
            max_transaction_size=30_000,
        )
        self.containers = Containers()
        super().__init__(choices)

    def connect(self, host: Host) -> Session[Event]:
        return amqp10_session(self.broker, host, self.settings, self.containers)

    def steps(self) -> Iterator[bytes]:
        choices = self.choices
        yield from choices.one_of(BEGINNINGS)
        while not choices.is_over:
            kind = choices.byte()
            if kind < 12:
                yield choices.octets(1 + choices.below(32))
            elif kind < 20:
                yield frame_of(choices.octets(choices.below(64)), choices.below(3))
            elif kind < 24:
                yield choices.one_of((HEARTBEAT, AMQP_HEADER, SASL_HEADER, OPEN, BEGIN, INIT))
            elif kind < 36:
                yield b"".join(self._request() for _ in range(1 + choices.below(8)))
            elif kind < 44:
                data = bytearray(self._request())
                data[choices.byte() % len(data)] = choices.byte()
                yield bytes(data)
            elif kind < 48:
                yield self._request() * (1 + choices.below(30))
            else:
                yield self._request()

    def _request(self) -> bytes:
        choices = self.choices
        cls = choices.one_of(ALL) if choices.chance(24) else choices.one_of(SAID)
        made = composite(choices, cls)
        payload = b""
        if isinstance(made, of.Transfer):
            payload = self._payload(made)
        try:
            data = encode_composite(made)
        except EncodeError:
            # No client could send that.
            return HEARTBEAT
        return frame_of(data + payload, 0 if not choices.chance(12) else choices.below(5))

    def _payload(self, transfer: of.Transfer) -> bytes:
        """A message, or what a coordinator is sent, with a transfer that is mostly the first of a delivery."""
        choices = self.choices
        kind = choices.byte()
        if kind < 40:
            transfer.handle = UInt(2)
            declared: Composite = of.Declare() if kind < 20 else composite(choices, of.Discharge)
            return b"\x00\x53\x77" + encode_composite(declared)
        if kind < 200:
            transfer.handle, transfer.aborted, transfer.message_format = UInt(0), None, UInt(0)
        return message(choices)

    def is_served(self) -> bool:
        host = Host(USERS)
        session = self.connect(host)
        parser = FrameParser()
        heard: list[Event] = []

        def say(data: bytes) -> None:
            session.receive(data)
            for _ in range(2):
                self.by_hand.settle()
                self.take(session, host, lambda said: heard.extend(parser.feed(said)))

        say(SASL_HEADER + INIT + AMQP_HEADER + frame(0, of.Open(container_id="another")) + BEGIN)
        self.operations.declare_queue("fresh")
        address = self.settings.dialect.queue_prefix + "fresh"
        say(
            frame(
                0,
                of.Attach(
                    name="out", handle=0, role=False, initial_delivery_count=0, target=of.Target(address=address)
                ),
            )
        )
        say(frame(0, of.Attach(name="in", handle=1, role=True, source=of.Source(address=address))) + CREDIT)
        transfer = of.Transfer(handle=UInt(0), delivery_id=UInt(0), delivery_tag=b"t", message_format=UInt(0))
        say(frame(0, transfer, b"\x00\x53\x75\xa0\x05still"))
        session.connection_lost()
        self.by_hand.settle()
        return [event[5][-5:] for event in heard if event[0] == TRANSFER] == [b"still"]


def frame_of(body: bytes, channel: int) -> bytes:
    """A frame with any body."""
    return (len(body) + 8).to_bytes(4, "big") + b"\x02\x00" + channel.to_bytes(2, "big") + body


def _make() -> Take:
    def take(data: bytes) -> Hashable:
        return Amqp10Attack(Choices(data)).run()

    return take


def sessions() -> tuple[Target, ...]:
    """The targets."""
    seeds = tuple(
        bytes((dialect, number, *range(number, 250, 7))) for dialect in range(4) for number in range(len(BEGINNINGS))
    )
    about = "whole sessions: performatives and frames in any order and pieces, before and after the log-in"
    return (Target("amqp10.session", about, _make, seeds, longest=600, is_session=True),)
