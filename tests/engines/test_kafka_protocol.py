"""The requests of Kafka's protocol that we write ourselves, and log-in by SCRAM: octet by octet, without a broker."""

from __future__ import annotations

import pytest

from batonmq.engines.kafka.primitives import Reader, Writer
from batonmq.engines.kafka.protocol import (
    Lag,
    ask_authenticate,
    ask_coordinator,
    ask_features,
    ask_handshake,
    ask_heartbeat,
    ask_offsets,
    ask_topic,
    ask_topics,
    read_coordinator,
    read_features,
    read_heartbeat,
    read_offsets,
    read_topic,
    read_topics,
)
from batonmq.engines.kafka.scram import Scram
from batonmq.errors import AccessRefused, ConnectionLost

HEADER = b"\0\0\0\x07\0\x07batonmq"


def test_requests_are_framed_with_their_number() -> None:
    assert ask_handshake("PLAIN").octets(7) == b"\0\0\0\x18\0\x11\0\x01" + HEADER + b"\0\x05PLAIN"
    assert ask_authenticate(b"\0u\0p").octets(7) == b"\0\0\0\x18\0\x24\0\x02" + HEADER + b"\0" + b"\x05\0u\0p" + b"\0"
    assert ask_features("1.0").octets(7) == (
        b"\0\0\0\x1f\0\x12\0\x03" + HEADER + b"\0" + b"\x08batonmq" + b"\x041.0" + b"\0"
    )


def test_a_topic_is_asked_for_without_being_made() -> None:
    assert ask_topic("q").body == b"\x02" + bytes(16) + b"\x02q\0" + b"\0" + b"\0" + b"\0"
    assert ask_topics().body == b"\0" + b"\0" + b"\0" + b"\0"


def test_topics_are_read_with_whose_they_are() -> None:
    def topic(error: bytes, name: bytes, own: bytes) -> bytes:
        return error + bytes([len(name) + 1]) + name + bytes(16) + own + b"\x01" + b"\x80\0\0\0" + b"\0"

    topics = topic(b"\0\0", b"q", b"\0") + topic(b"\0\0", b"__own", b"\1") + topic(b"\0\x1d", b"secret", b"\0")
    metadata = b"\0\0\0\0\x01" + b"\x02c\0\0\0\x01" + b"\x04" + topics + b"\0"
    found = read_topics(Reader(metadata))
    assert [(one.name, one.is_internal, one.error) for one in found] == [
        ("q", False, 0),
        ("__own", True, 0),
        ("secret", False, 29),
    ]


def test_share_groups_are_asked_for() -> None:
    assert ask_coordinator("g").body == b"\0\x02\x02g\0"
    assert ask_offsets("g", "q", [0, 3]).body == b"\x02\x02g\x02\x02q\x03\0\0\0\0\0\0\0\x03\0\0\0"
    assert ask_heartbeat("g", "m", -1, "q").body == b"\x02g\x02m\xff\xff\xff\xff\0\x02\x02q\0"


def test_the_level_of_share_groups_is_read() -> None:
    finalized = b"\x02\x0eshare.version\0\x02\0\x01\0"
    versions = b"\x02\0\x5a\0\0\0\x01\0"
    answer = b"\0\0" + versions + b"\0\0\0\0" + b"\x01\x02" + bytes([len(finalized)]) + finalized
    error, features = read_features(Reader(answer))
    assert (error, features.share_version, features.versions) == (0, 2, {90: (0, 1)})
    assert read_features(Reader(b"\0\x23" + bytes(9)))[0] == 35


def test_what_a_group_has_not_settled_is_read() -> None:
    partition = b"\0\0\0\x01" + b"\0" * 7 + b"\x05" + b"\0\0\0\0" + b"\0" * 7 + b"\x02" + b"\0\0" + b"\0" + b"\0"
    topic = b"\x02q" + bytes(16) + b"\x02" + partition + b"\0"
    answer = b"\0\0\0\0" + b"\x02" + b"\x02g" + b"\x02" + topic + b"\0\0" + b"\0" + b"\0" + b"\0"
    assert read_offsets(Reader(answer)) == (0, "", [Lag(1, 5, 2, 0, "")])


def test_partitions_and_coordinators_and_members_are_read() -> None:
    broker = b"\0\0\0\x01\x02h\0\0\x23\x84\0\0"
    partition = b"\0\0\0\0\0\0\0\0\0\x01\0\0\0\0" + b"\x02\0\0\0\x01" * 2 + b"\x01" + b"\0"
    topic = b"\0\0\x02q" + bytes(16) + b"\0\x02" + partition + b"\x80\0\0\0\0"
    metadata = b"\0\0\0\0\x02" + broker + b"\x02c\0\0\0\x01" + b"\x02" + topic + b"\0"
    assert read_topic(Reader(metadata)).partitions == [0]
    found = b"\0\0\0\0\x02\x02g\0\0\0\x01\x02h\0\0\x23\x84\0\0\0\0\0"
    assert read_coordinator(Reader(found)) == (0, "", "h", 9092)
    joined = b"\0\0\0\0\0\0\0\x02m\0\0\0\x02\0\0\x13\x88"
    assert read_heartbeat(Reader(joined + b"\xff\0")) == (0, "", 2, 0)
    given = b"\x01\x02" + bytes(16) + b"\x03\0\0\0\0\0\0\0\x01\0\0\0"
    assert read_heartbeat(Reader(joined + given)) == (0, "", 2, 2)


@pytest.mark.parametrize("octets", [b"", b"\0\0", b"\0\0\0\0\xff\xff\xff\xff\xff\xff", b"\0\0\0\0\x7f\0"])
def test_what_is_no_answer_is_told(octets: bytes) -> None:
    with pytest.raises(ConnectionLost, match="is it Kafka"):
        read_offsets(Reader(octets))


@pytest.mark.parametrize("number", [0, 127, 128, 300, 2**31])
def test_varints_come_back(number: int) -> None:
    assert Reader(Writer().varint(number).octets()).varint() == number


# The exchange in section 3 of RFC 7677.
NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)


def test_scram_is_that_of_the_rfc() -> None:
    scram = Scram("SCRAM-SHA-256", "user", "pencil", NONCE)
    assert scram.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert scram.final(SERVER_FIRST) == CLIENT_FINAL
    scram.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    with pytest.raises(AccessRefused, match="does not know the password"):
        scram.check(b"v=AAAA")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff",
        b"r=other,s=AAAA,i=1",
        # Digits to Python, and no number; and one that it would take too long to read.
        *(SERVER_FIRST.replace(b"4096", count) for count in (b"99999999", "\u00b2".encode(), b"9" * 5000)),
    ],
)
def test_what_is_no_scram_is_refused(answer: bytes) -> None:
    with pytest.raises(AccessRefused, match="not SCRAM"):
        Scram("SCRAM-SHA-256", "user", "pencil", NONCE).final(answer)
