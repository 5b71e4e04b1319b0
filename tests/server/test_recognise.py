"""Which protocol a client speaks is told by its first bytes, in whatever pieces they come."""

from __future__ import annotations

import pytest

from batonmq.server.interface import Host, Session
from batonmq.server.recognise import ServedProtocol, begins_amqp10, begins_stomp, recognise


def make_session(host: Host) -> Session:
    raise AssertionError("no session is made here")


STOMP = ServedProtocol("STOMP", begins_stomp, make_session)
AMQP10 = ServedProtocol("AMQP 1.0", begins_amqp10, make_session)
AMQP = ServedProtocol("AMQP", lambda _: True, make_session)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"CONNECT\nlogin:guest\n\n\0", STOMP),
        (b"CONNECT\r\nlogin:guest\r\n\r\n\0", STOMP),
        (b"STOMP\n\n\0", STOMP),
        (b"STOMP\r\n\r\n\0", STOMP),
        (b"\n\n\nCONNECT\n\n\0", STOMP),
        (b"\r\n\r\nSTOMP\n\n\0", STOMP),
        (b"AMQP\0\0\x09\x01", AMQP),
        (b"CONNECTED\n", AMQP),
        (b"CONNECT example.org HTTP/1.1\r\n", AMQP),
        (b"STOMPER\n", AMQP),
        (b"connect\n", AMQP),
        (b"SEND\n\n\0", AMQP),
        (b"GET / HTTP/1.1\r\n", AMQP),
    ],
)
def test_the_first_bytes_tell_the_protocol_in_one_piece_or_many(head: bytes, expected: ServedProtocol) -> None:
    assert recognise([STOMP, AMQP], head) is expected
    told = [recognise([STOMP, AMQP], head[:size]) for size in range(1, len(head) + 1)]
    known = [protocol for protocol in told if protocol is not None]
    assert known, "it is never told"
    assert known[0] is expected, "it is told too early"
    assert len(told) - len(known) < 8, "AMQP's header has 8 bytes: nobody has to send more to be answered"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"AMQP\x00\x01\x00\x00", AMQP10),
        (b"AMQP\x03\x01\x00\x00", AMQP10),
        # Who asks for TLS, or a later version, is told of this one.
        (b"AMQP\x02\x01\x00\x00", AMQP10),
        (b"AMQP\x00\x02\x00\x00", AMQP10),
        (b"AMQP\x00\x00\x09\x01", AMQP),
        (b"AMQP\x00\x01\x02\x03", AMQP),
        (b"AMQP\xff\xff\xff\xff", AMQP),
        (b"AMQP\x00\x00\x0a\x00", AMQP),
        # 0-8, 0-9 and 0-10.
        (b"AMQP\x01\x01\x08\x00", AMQP),
        (b"AMQP\x01\x01\x00\x09", AMQP),
        (b"AMQP\x01\x01\x00\x0a", AMQP),
        (b"AMQ\x00\x00\x01\x00\x00", AMQP),
        (b"amqp\x00\x01\x00\x00", AMQP),
        (b"GET / HTTP/1.1\r\n", AMQP),
        (b"CONNECT\n\n\0", STOMP),
        (b"\n\nSTOMP\n\n\0", STOMP),
    ],
)
def test_both_amqps_and_stomp_share_a_port(head: bytes, expected: ServedProtocol) -> None:
    protocols = [STOMP, AMQP10, AMQP]
    told = [recognise(protocols, head[:size]) for size in range(1, len(head) + 1)]
    known = [protocol for protocol in told if protocol is not None]
    assert known[0] is expected, "it is told too early"
    assert set(known) == {expected}
    assert len(told) - len(known) < 8
