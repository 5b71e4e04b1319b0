"""What brokers of others answer us: Kafka's protocol and its log-in, and content headers of AMQP 0-9-1."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from batonmq.engines.amqp.content_headers import content_header, properties_from
from batonmq.engines.kafka import protocol
from batonmq.engines.kafka.primitives import Reader, Writer
from batonmq.engines.kafka.scram import Scram
from batonmq.errors import AccessRefused, ConnectionLost
from batonmq.fields import FieldError
from proof.fuzz.target import Take, Target, ensure
from proof.fuzz.targets.amqp091 import content

READERS: tuple[Callable[[Reader], object], ...] = (
    protocol.read_features,
    protocol.read_handshake,
    protocol.read_authenticate,
    protocol.read_topic,
    protocol.read_coordinator,
    protocol.read_deleted_group,
    protocol.read_offsets,
    protocol.read_heartbeat,
    lambda reader: protocol.Request(protocol.METADATA, b"").answer(reader.raw(4) + b"\x00"),
)
NONCE = "nonce"


def _answers() -> Take:
    def take(data: bytes) -> Hashable:
        read = READERS[data[0] % len(READERS)] if data else READERS[0]
        try:
            found = read(Reader(data[1:]))
        except ConnectionLost as error:
            return read.__name__, str(error)[:40]
        return read.__name__, repr(found)[:24]

    return take


def _log_ins() -> Take:
    def take(data: bytes) -> Hashable:
        first, _, second = data.partition(b"\n")
        scram = Scram("SCRAM-SHA-256", "user", "secret", NONCE)
        scram.first()
        try:
            scram.final(first)
        except AccessRefused as error:
            return str(error)[:16]
        try:
            scram.check(second)
        except AccessRefused as error:
            return 1, str(error)[-16:]
        raise AssertionError("a broker is believed that does not know the password")

    return take


def _headers() -> Take:
    def take(data: bytes) -> Hashable:
        try:
            found = content_header(data) if data else None
        except FieldError as error:
            return str(error)[:20]
        if found is None:
            return None
        end, header = found
        ensure(8 < end <= len(data), "a header ends beyond what there is")
        return properties_from(header.properties).flags

    return take


def _kafka_seeds() -> tuple[bytes, ...]:
    offsets = Writer().int32(0).count(1).compact("g").count(1).compact("t").raw(bytes(16)).count(1).int32(0)
    offsets.raw(bytes(8)).int32(0).raw(bytes(8)).int16(0).compact(None).no_tags().no_tags().int16(0).compact(
        None
    ).no_tags()
    features = Writer().int16(0).count(2).int16(3).int16(0).int16(12).no_tags().int16(76).int16(1).int16(1).no_tags()
    features.int32(0).varint(1).varint(2).compact_octets(
        Writer().count(1).compact("share.version").int16(1).int16(1).no_tags().octets()
    )
    topic = Writer().int32(0).count(1).int32(1).compact("h").int32(9092).compact(None).no_tags().compact("c").int32(1)
    topic.count(1).int16(0).compact("t").raw(bytes(16)).int8(0).count(1).int16(0).int32(0).int32(1).int32(0)
    topic.count(1).int32(1).count(1).int32(1).count(0).no_tags().int32(0).no_tags()
    handshake = Writer().int16(0).int32(2).string("PLAIN").string("SCRAM-SHA-256")
    made = {0: features, 1: handshake, 3: topic, 6: offsets}
    return tuple(
        bytes((kind,)) + made[kind].octets() if kind in made else bytes((kind, *bytes(20))) for kind in range(9)
    )


TARGETS = (
    Target(
        "kafka.answers",
        "answers of a broker of Kafka's: read, or said to be none",
        _answers,
        _kafka_seeds(),
        (b"\xff\xff\xff\xff\x0f", b"\xff" * 5, b"\x00\x00", b"\x7f\xff\xff\xff", b"\x80", b"\x02", b"\x01", bytes(16)),
        300,
    ),
    Target(
        "kafka.log-ins",
        "SCRAM: whoever does not know the password is not believed",
        _log_ins,
        (b"r=nonce1,s=c2FsdA==,i=1\nv=aaaa", b"r=nonce,s=,i=2\nv=", b"r=nonce2,s=c2FsdA==,i=4,x=y\ne=other-error"),
        (b",", b"=", b"\n", b"r=nonce", b"s=", b"i=", b"v=", "\u00b2".encode(), b"\xff", b"9" * 20, b"0", b"-1"),
        120,
    ),
    Target(
        "amqp091.answers",
        "content headers, as our client of AMQP 0-9-1 reads them before pika does",
        _headers,
        (content(b""), content(b"body"), b"\x02\x00\x01\x00\x00\x00\x0e" + bytes(14) + b"\xce"),
        (b"\xce", b"\x02\x00\x01", b"\xff\xfc", b"\x00\x01", b"\x00\x00\x00\x0e"),
        300,
    ),
)
