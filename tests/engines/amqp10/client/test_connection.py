"""Log-in, open and close (part 2 §2.4; part 5 §5.3)."""

from __future__ import annotations

import pytest

from batonmq.engines.amqp10.client.login import Credentials
from batonmq.errors import AccessRefused, ConnectionLost
from batonmq.protocols.amqp10.codec.constants import AMQP_HEADER, FRAME, SASL_HEADER
from batonmq.protocols.amqp10.codec.encoder import frame, sasl_frame
from batonmq.protocols.amqp10.codec.performatives import (
    Begin,
    Close,
    End,
    Error,
    Open,
    SaslChallenge,
    SaslInit,
    SaslMechanisms,
    SaslResponse,
)
from batonmq.protocols.amqp10.codec.values import Symbol
from tests.engines.amqp10.client.scripted import HEADER, HEARTBEAT, SASL, Scripted


def init_of(script: Scripted, *mechanisms: str) -> SaslInit:
    script.client.receive(
        SASL_HEADER + sasl_frame(SaslMechanisms(sasl_server_mechanisms=[Symbol(name) for name in mechanisms]))
    )
    (header, said) = script.listen()
    assert header == (HEADER, SASL_HEADER)
    assert said[0] == SASL
    init = said[1]
    assert isinstance(init, SaslInit)
    return init


@pytest.mark.parametrize(
    ("credentials", "offered", "mechanism", "response"),
    [
        (Credentials("ä", "b:c"), ("ANONYMOUS", "PLAIN"), "PLAIN", "\0ä\0b:c".encode()),
        (Credentials(), ("PLAIN", "ANONYMOUS"), "ANONYMOUS", b"batonmq"),
        (Credentials(), ("PLAIN",), "PLAIN", b"\0guest\0guest"),
        (Credentials(is_anonymous=True), ("ANONYMOUS",), "ANONYMOUS", b"batonmq"),
        (Credentials(is_external=True), ("PLAIN", "EXTERNAL"), "EXTERNAL", b""),
    ],
)
def test_the_mechanism_is_that_of_who_logs_in(
    credentials: Credentials, offered: tuple[str, ...], mechanism: str, response: bytes
) -> None:
    init = init_of(Scripted(credentials, "vhost:shop"), *offered)
    assert (init.mechanism, init.initial_response, init.hostname) == (mechanism, response, "vhost:shop")


@pytest.mark.parametrize(
    ("credentials", "offered", "text"),
    [
        (Credentials("a", "b"), ("EXTERNAL",), "does not offer the log-in PLAIN, but EXTERNAL"),
        (Credentials(is_external=True), ("PLAIN", "X"), "does not offer the log-in EXTERNAL, but PLAIN, X"),
        (Credentials(is_anonymous=True), ("PLAIN",), "does not offer the log-in ANONYMOUS"),
    ],
)
def test_a_mechanism_that_is_not_offered_is_said_to_be_so(
    credentials: Credentials, offered: tuple[str, ...], text: str
) -> None:
    script = Scripted(credentials)
    script.log_in(offered)
    (error,) = script.user.ended
    assert isinstance(error, AccessRefused)
    assert text in str(error)


def test_a_wrong_password_is_an_access_refused_and_another_failure_is_not() -> None:
    script = Scripted()
    script.log_in(code=1)
    (error,) = script.user.ended
    assert isinstance(error, AccessRefused)
    assert str(error) == "it refused to log in user 'guest': wrong name or password"
    script = Scripted()
    script.log_in(code=4)
    (error,) = script.user.ended
    assert isinstance(error, ConnectionLost)


def test_a_challenge_is_answered() -> None:
    script = Scripted()
    init_of(script, "PLAIN")
    script.client.receive(sasl_frame(SaslChallenge(challenge=b"?")))
    assert script.listen() == [(SASL, SaslResponse(response=b""))]


def test_an_open_tells_who_we_are_and_how_long_the_broker_may_be_silent() -> None:
    script = Scripted(hostname="example.org")
    script.log_in()
    (header, said) = script.listen()
    assert header == (HEADER, AMQP_HEADER)
    assert said[0] == FRAME
    opened = said[2]
    assert isinstance(opened, Open)
    assert (opened.container_id, opened.hostname, opened.idle_time_out) == ("test", "example.org", 30_000)
    script.client.receive(AMQP_HEADER + frame(0, Open(container_id="broker", idle_time_out=8_000)))
    assert script.client.is_open
    assert script.user.open is not None
    assert script.client.beat_every == 4.0
    script.client.beat()
    assert script.kinds() == [HEARTBEAT]


@pytest.mark.parametrize("header", [b"HTTP/1.1", b"AMQP\x00\x00\x09\x01", b"AMQP\x02\x01\x00\x00"])
def test_another_protocol_is_said_to_be_one(header: bytes) -> None:
    script = Scripted()
    script.client.receive(header)
    (error,) = script.user.ended
    assert isinstance(error, ConnectionLost)
    assert repr(header) in str(error)


def test_a_refusal_after_the_log_in_is_that_of_the_close_that_follows() -> None:
    script = Scripted()
    script.log_in()
    refusal = Open(container_id="broker", properties={Symbol("amqp:connection-establishment-failed"): True})
    close = Close(error=Error(condition="amqp:unauthorized-access", description="no access to the virtual host"))
    script.client.receive(AMQP_HEADER + frame(0, refusal) + frame(0, close))
    assert script.user.open is None
    (error,) = script.user.ended
    assert "no access to the virtual host" in str(error)


def test_close_is_answered_and_nothing_is_told_twice() -> None:
    script = Scripted().open()
    script.client.close()
    assert script.said(Close) == [Close()]
    assert script.user.ended == []
    script.say(Close())
    script.client.lost(ConnectionLost("the socket"))
    assert script.user.ended == [None]
    assert script.client.is_closed


def test_a_close_of_the_broker_is_a_lost_connection_with_its_words() -> None:
    script = Scripted().open()
    link, user = script.receiver()
    script.say(Close(error=Error(condition="amqp:connection:forced", description="shutting down")))
    assert script.said(Close) == [Close()]
    (error,) = script.user.ended
    assert isinstance(error, ConnectionLost)
    assert "shutting down" in str(error)
    assert link.is_gone
    assert [type(each) for each in user.ended] == [ConnectionLost]


def test_a_lost_socket_ends_all_links_once() -> None:
    script = Scripted().open()
    _, takes = script.receiver()
    script.client.lost(ConnectionLost("gone"))
    script.client.lost(ConnectionLost("gone again"))
    assert [str(each) for each in takes.ended] == ["gone"]
    assert [str(each) for each in script.user.ended] == ["gone"]


@pytest.mark.parametrize(
    "wrong",
    [
        frame(7, Begin(next_outgoing_id=0, incoming_window=1, outgoing_window=1)),
        frame(0, Begin(remote_channel=9, next_outgoing_id=0, incoming_window=1, outgoing_window=1)),
        frame(0, Open(container_id="again")),
        b"\x00\x00\x00\x08\x02\x07\x00\x00",
        b"\xff\xff\xff\xff\x02\x00\x00\x00",
        b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x99\x45",
    ],
)
def test_what_makes_no_sense_ends_the_connection_and_the_broker_is_told(wrong: bytes) -> None:
    script = Scripted().open()
    script.client.receive(wrong)
    (close,) = script.said(Close)
    assert close.error is not None
    (error,) = script.user.ended
    assert isinstance(error, ConnectionLost)
    assert "does not make sense" in str(error)


def test_nothing_is_begun_beyond_the_brokers_highest_channel() -> None:
    script = Scripted().open(Open(container_id="broker", channel_max=1))
    script.client.begin()
    script.client.begin()
    with pytest.raises(ConnectionLost, match="no more than 2 sessions"):
        script.client.begin()


def test_a_session_that_has_ended_leaves_its_number_to_another() -> None:
    script = Scripted().open(Open(container_id="broker", channel_max=0))
    session = script.client.begin()
    script.begin()
    session.end()
    with pytest.raises(ConnectionLost):
        script.client.begin()
    script.say(End())
    assert script.client.begin().number == 0
