"""Which protocol a client speaks is told by its first bytes, in whatever pieces they come."""

from __future__ import annotations

import pytest

from batonmq.server.interface import Host, Session
from batonmq.server.recognise import ServedProtocol, begins_stomp, recognise


def make_session(host: Host) -> Session:
    raise AssertionError("no session is made here")


STOMP = ServedProtocol("STOMP", begins_stomp, make_session)
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
