"""AMQP 0-9-1: methods in any order with fields that are mostly right, and frames that are mostly whole."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final

from batonmq.fields import FieldError, FieldValue
from batonmq.properties import Properties
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.constants import CONTENT, METHOD
from batonmq.protocols.amqp091.encoder import HEARTBEAT_FRAME, encode_frame, method_frame
from batonmq.protocols.amqp091.handshake import PROTOCOL_HEADER
from batonmq.protocols.amqp091.methods import METHODS, Method
from batonmq.protocols.amqp091.parser import Event, FrameParser
from batonmq.protocols.amqp091.session import amqp_session
from batonmq.protocols.amqp091.settings import AmqpSettings
from batonmq.protocols.sessions.session import Session
from proof.by_hand import Host
from proof.fuzz.choices import Choices
from proof.fuzz.sessions.attack import USERS, Attack
from proof.fuzz.target import Take, Target

__all__ = ["sessions"]

SETTINGS = AmqpSettings(channel_max=5, frame_max=4096, max_message_size=5_000, max_transaction_size=10_000)
START_OK = method_frame(0, methods.ConnectionStartOk(response=b"\0guest\0guest"))
TUNE_OK = method_frame(0, methods.ConnectionTuneOk(channel_max=5, frame_max=4096, heartbeat=10))
OPEN = method_frame(0, methods.ConnectionOpen())
LOG_IN = START_OK + TUNE_OK + OPEN
CHANNEL = method_frame(1, methods.ChannelOpen())
CONSUME = method_frame(1, methods.BasicConsume(queue="q", consumer_tag="c"))
# How far a client gets before it does something strange.
BEGINNINGS = (
    (),
    (PROTOCOL_HEADER,),
    (PROTOCOL_HEADER, START_OK),
    (PROTOCOL_HEADER, START_OK, TUNE_OK),
    (PROTOCOL_HEADER, LOG_IN),
    *[(PROTOCOL_HEADER + LOG_IN + CHANNEL,)] * 3,
    *[(PROTOCOL_HEADER + LOG_IN + CHANNEL + CONSUME,)] * 4,
    *[(PROTOCOL_HEADER + LOG_IN + CHANNEL + method_frame(1, methods.ConfirmSelect()) + CONSUME,)] * 2,
    *[(PROTOCOL_HEADER + LOG_IN + CHANNEL + method_frame(1, methods.TxSelect()) + CONSUME,)] * 2,
)
# What clients send, the more often the more there is to get wrong.
SAID: Final[tuple[type[Method], ...]] = (
    *[methods.BasicPublish] * 8,
    *[methods.BasicConsume] * 4,
    *[methods.BasicAck] * 4,
    *[methods.BasicNack] * 3,
    *[methods.BasicReject] * 2,
    *[methods.BasicGet] * 3,
    *[methods.BasicQos] * 2,
    *[methods.BasicCancel] * 2,
    methods.BasicRecover,
    methods.BasicRecoverAsync,
    *[methods.QueueDeclare] * 4,
    *[methods.QueueBind] * 2,
    methods.QueueUnbind,
    methods.QueueDelete,
    methods.QueuePurge,
    *[methods.ExchangeDeclare] * 2,
    methods.ExchangeBind,
    methods.ExchangeUnbind,
    methods.ExchangeDelete,
    methods.TxSelect,
    *[methods.TxCommit] * 3,
    *[methods.TxRollback] * 2,
    methods.ConfirmSelect,
    methods.ChannelFlow,
    *[methods.ChannelOpen] * 3,
    methods.ChannelClose,
    methods.ChannelCloseOk,
    methods.ConnectionUpdateSecret,
)
ALL = tuple(METHODS.values())
TEXTS: Final[dict[str, tuple[str, ...]]] = {
    "queue": ("q", "q", "rich", "dead", "", "new", "x" * 255, "amq.rabbitmq.reply-to", "\udcff", "amq.gen-x"),
    "exchange": ("", "", "amq.topic", "amq.direct", "amq.headers", "amq.fanout", "x", "none", "baton.management"),
    "source": ("amq.topic", "amq.headers", "x", "amq.fanout", ""),
    "destination": ("x", "amq.topic", "amq.fanout", "none"),
    "routing_key": ("q", "q", "rich", "dead", "a.*.#", "#", "new", "", "a.b.c", "amq.rabbitmq.reply-to", "management"),
    "consumer_tag": ("c", "d", "", "c"),
    "type": ("direct", "topic", "headers", "fanout", "x-delayed-message", "strange"),
    "virtual_host": ("/", "/", "elsewhere"),
    "mechanism": ("PLAIN", "AMQPLAIN", "EXTERNAL", "ANONYMOUS"),
}
HEADERS: Final[tuple[str, ...]] = (
    "x-max-length", "x-message-ttl", "x-expires", "x-max-priority", "x-dead-letter-exchange",
    "x-dead-letter-routing-key", "x-overflow", "x-single-active-consumer", "x-queue-type", "x-queue-mode",
    "x-delivery-limit", "x-priority", "x-delay", "x-deliver-at", "x-cron", "x-period", "x-repeat", "x-match", "CC",
    "x-message-deduplication", "x-deduplication-header", "x-cache-ttl", "x-selector", "x-group", "x-consumer-timeout",
    "x-max-length-bytes", "x-delayed-type", "alternate-exchange", "x-retry-delays", "x-death", "a", "JMSXGroupID",
    "x-baton-selector", "x-baton-group", "x-baton-cron", "x-baton-period", "x-baton-repeat", "x-baton-deliver-at",
    "x-baton-delay", "x-baton-deduplication", "operation", "BCC", "x-stream-offset",
)  # fmt: skip
WORDS: Final[tuple[FieldValue, ...]] = (
    "reject-publish", "drop-head", "reject-publish-dlx", "classic", "quorum", "stream", "lazy", "all", "any", "a = 1",
    "q", "rich", "dead", "amq.topic", "* * * * *", "*/5 1 * * mon", "", "topic", "a LIKE 'x%' AND b > 2", "1000", True,
    False, None, 0.5, -1, 1, 5, 100, 1 << 40, -(1 << 62), b"\xff\x00",
)  # fmt: skip


def table(choices: Choices, depth: int = 0) -> dict[str, FieldValue]:
    """Arguments, or headers: mostly none, or what means something."""
    made: dict[str, FieldValue] = {}
    for _ in range((0, 0, 1, 1, 2, 3)[choices.below(6)]):
        made[choices.one_of(HEADERS)] = value(choices, depth + 1)
    return made


def value(choices: Choices, depth: int) -> FieldValue:
    """A value of a table."""
    kind = choices.byte()
    if kind < 200 or depth > 3:
        return WORDS[kind % len(WORDS)]
    if kind < 220:
        return choices.number(4)
    if kind < 232:
        return [value(choices, depth + 1) for _ in range(choices.below(4))]
    if kind < 244:
        return table(choices, depth)
    return choices.octets(choices.below(20)).decode(errors="replace")


def properties(choices: Choices) -> Properties:
    """Those of a message."""
    kind = choices.byte()
    if kind < 64:
        return Properties.make(delivery_mode=1 + kind % 2)
    if kind > 250:
        return Properties.decode(b"\x00\x00")
    return Properties.make(
        headers=table(choices) or None,
        delivery_mode=(None, 1, 2, 2)[kind & 3],
        priority=choices.number(1) if kind & 4 else None,
        expiration=choices.one_of(("0", "1", "1000", "soon", "-1", "9" * 30)) if kind & 8 else None,
        reply_to=choices.one_of(("amq.rabbitmq.reply-to", "q", "x")) if kind & 16 else None,
        correlation_id="c" if kind & 32 else None,
        user_id=choices.one_of(("guest", "other")) if kind & 128 else None,
    )


class AmqpAttack(Attack[Event]):
    """A client of AMQP 0-9-1."""

    def __init__(self, choices: Choices) -> None:
        super().__init__(choices)
        self.last_tag = 0

    def connect(self, host: Host) -> Session[Event]:
        return amqp_session(self.broker, host, SETTINGS)

    def heard(self, data: bytes) -> None:
        # What is delivered has tags from 1 on; the next deliveries are among these.
        self.last_tag += data.count(b"\x00\x3c\x00\x3c") + data.count(b"\x00\x3c\x00\x47")

    def steps(self) -> Iterator[bytes]:
        choices = self.choices
        yield from choices.one_of(BEGINNINGS)
        while not choices.is_over:
            kind = choices.byte()
            if kind < 16:
                yield choices.octets(1 + choices.below(32))
            elif kind < 24:
                yield encode_frame(choices.below(10), choices.below(4), choices.octets(choices.below(64)))
            elif kind < 28:
                yield HEARTBEAT_FRAME
            elif kind < 40:
                yield b"".join(self._request() for _ in range(1 + choices.below(8)))
            elif kind < 48:
                data = bytearray(self._request())
                data[choices.byte() % len(data)] = choices.byte()
                yield bytes(data)
            elif kind < 52:
                yield self._request() * (1 + choices.below(30))
            else:
                yield self._request()

    def _request(self) -> bytes:
        choices = self.choices
        cls = choices.one_of(ALL) if choices.chance(16) else choices.one_of(SAID)
        channel = choices.one_of((1, 1, 1, 1, 1, 1, 2, 0, 3, 65535))
        made = cls()
        for name, kind in cls.LAYOUT:
            setattr(made, name, self._field(name, kind))
        try:
            frame = method_frame(channel, made)
            if cls.HAS_CONTENT and not choices.chance(24):
                frame += self._content(channel)
        except FieldError:
            # No client could send that.
            return HEARTBEAT_FRAME
        return frame

    def _field(self, name: str, kind: str) -> object:
        choices = self.choices
        if kind == "Bit":
            return choices.chance(3)
        if kind == "Shortstr":
            known = TEXTS.get(name)
            if known is None or choices.chance(24):
                return choices.octets(choices.below(8)).decode(errors="surrogateescape")
            return choices.one_of(known)
        if kind == "Longstr":
            return choices.one_of((b"\0guest\0guest", b"", b"\0guest\0wrong", b"\xff" * 9))
        if kind == "Table":
            return table(choices)
        if name == "delivery_tag":
            tags = (self.last_tag, self.last_tag, max(0, self.last_tag - 1), 1, 0, self.last_tag + 1)
            return choices.number(8) if choices.chance(16) else choices.one_of(tags)
        return choices.number({"Octet": 1, "Short": 2, "Long": 4, "Longlong": 8}[kind])

    def _content(self, channel: int) -> bytes:
        choices = self.choices
        made = properties(choices)
        kind = choices.byte()
        body = choices.octets(kind % 16) if kind < 200 else bytes(kind * 12)
        size = len(body) if kind < 248 else choices.number(8)
        header = encode_frame(2, channel, b"\x00\x3c\x00\x00" + size.to_bytes(8, "big") + made.raw)
        if kind & 7 == 7 and len(body) > 1:
            return header + encode_frame(3, channel, body[:1]) + encode_frame(3, channel, body[1:])
        return header + (encode_frame(3, channel, body) if body else b"")

    def is_served(self) -> bool:
        host = Host(USERS)
        session = self.connect(host)
        parser = FrameParser(opened=True)
        heard: list[Event] = []

        def say(data: bytes) -> None:
            session.receive(data)
            self.by_hand.settle()
            self.take(session, host, lambda said: heard.extend(parser.feed(said)))

        say(PROTOCOL_HEADER + LOG_IN + CHANNEL)
        say(method_frame(1, methods.QueueDeclare(queue="fresh", exclusive=True)))
        publish = method_frame(1, methods.BasicPublish(routing_key="fresh"))
        header = encode_frame(2, 1, b"\x00\x3c\x00\x00" + (5).to_bytes(8, "big") + b"\x00\x00")
        say(publish + header + encode_frame(3, 1, b"still"))
        say(method_frame(1, methods.BasicConsume(queue="fresh")))
        found = [event[4][event[5] : event[5] + event[6]] for event in heard if event[0] == CONTENT]
        session.connection_lost()
        self.by_hand.settle()
        return found == [b"still"] and not any(
            event[0] == METHOD and isinstance(event[2], methods.ChannelClose | methods.ConnectionClose)
            for event in heard
        )


def _make() -> Take:
    def take(data: bytes) -> Hashable:
        return AmqpAttack(Choices(data)).run()

    return take


def sessions() -> tuple[Target, ...]:
    """The targets."""
    seeds = tuple(bytes((number % len(BEGINNINGS), *range(number, 250, 7))) for number in range(len(BEGINNINGS)))
    about = "whole sessions: methods and frames in any order and pieces, before and after the log-in"
    return (Target("amqp091.session", about, _make, seeds, longest=600, is_session=True),)
