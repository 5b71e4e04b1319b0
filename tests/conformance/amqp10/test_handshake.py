"""Protocol headers and SASL (part 2 §2.2, part 5 §5.3)."""

from __future__ import annotations

import pytest

from tests.conformance.amqp10.conftest import Connect10
from tests.support.amqp10_codec import SASL, Sym, composite, frame
from tests.support.amqp10_wire import AMQP_HEADER, SASL_HEADER, Wire10
from tests.support.wire import Dropped

OPEN = frame(composite("open", container_id="conformance"))
BEGIN = frame(composite("begin", next_outgoing_id=0, incoming_window=10, outgoing_window=10))


@pytest.fixture
def wire(connect10: Connect10) -> Wire10:
    return connect10(opened=False)


def test_the_sasl_header_is_answered_with_the_same(wire: Wire10) -> None:
    wire.send(SASL_HEADER)
    assert wire.take(8) == SASL_HEADER


@pytest.mark.parametrize(
    "header",
    [
        b"AMQP\x00\x01\x00\x01",
        b"AMQP\x00\x01\x01\x00",
        b"AMQP\x00\x02\x00\x00",
        b"AMQP\x03\x01\x01\x00",
        b"AMQP\x03\x02\x00\x00",
        b"AMQP\x02\x01\x00\x00",
        b"AMQP\x07\x01\x00\x00",
    ],
)
def test_a_version_that_is_not_there_is_answered_with_one_that_is_and_the_end(wire: Wire10, header: bytes) -> None:
    wire.send(header)
    assert wire.take(8) in (SASL_HEADER, AMQP_HEADER, b"AMQP\x00\x00\x09\x01")
    with pytest.raises(Dropped):
        wire.take(1)


def test_whoever_must_log_in_is_told_so_by_the_header(wire: Wire10) -> None:
    wire.send(AMQP_HEADER)
    assert wire.take(8) == SASL_HEADER
    with pytest.raises(Dropped):
        wire.take(1)


def test_mechanisms_are_an_array_of_symbols_in_a_sasl_frame(wire: Wire10) -> None:
    wire.send(SASL_HEADER)
    wire.take(8)
    found = wire.read()
    assert (found.kind, found.name) == (SASL, "mechanisms")
    assert found.performative is not None
    mechanisms = found.performative["sasl_server_mechanisms"]
    assert isinstance(mechanisms, tuple)
    assert "PLAIN" in mechanisms
    assert {type(each) for each in mechanisms} == {Sym}


def test_the_right_password_is_code_0_and_the_header_of_amqp_comes_next(wire: Wire10) -> None:
    assert wire.log_in()["code"] == 0
    wire.send(AMQP_HEADER)
    assert wire.take(8) == AMQP_HEADER
    wire.send(OPEN)
    assert wire.expect("open")["container_id"]


def test_the_wrong_password_is_code_1_and_the_end(wire: Wire10) -> None:
    assert wire.log_in(password="wrong")["code"] == 1
    assert wire.ends() == []


@pytest.mark.parametrize(
    "response", [b"", b"guest", b"\0guest", b"\xff\0\xff\0\xff", b"\0\0", b"\0guest\0guest\0guest"]
)
def test_a_response_that_is_no_log_in_is_code_1_and_the_end(wire: Wire10, response: bytes) -> None:
    wire.send(SASL_HEADER, frame(composite("init", mechanism=Sym("PLAIN"), initial_response=response), 0, SASL))
    wire.take(8)
    wire.expect("mechanisms")
    assert wire.expect("outcome")["code"] == 1
    assert wire.ends() == []


def test_a_mechanism_that_was_not_offered_is_code_1_and_the_end(wire: Wire10) -> None:
    wire.send(SASL_HEADER, frame(composite("init", mechanism=Sym("NONESUCH"), initial_response=b"x"), 0, SASL))
    wire.take(8)
    wire.expect("mechanisms")
    assert wire.expect("outcome")["code"] == 1
    assert wire.ends() == []


def test_a_client_need_not_wait_for_any_answer(wire: Wire10) -> None:
    wire.send(SASL_HEADER, wire.plain(), AMQP_HEADER, OPEN, BEGIN)
    assert wire.take(8) == SASL_HEADER
    wire.expect("mechanisms")
    assert wire.expect("outcome")["code"] == 0
    assert wire.take(8) == AMQP_HEADER
    wire.expect("open")
    assert wire.expect("begin")["remote_channel"] == 0


def test_bytes_may_come_one_at_a_time(wire: Wire10) -> None:
    for byte in SASL_HEADER + wire.plain() + AMQP_HEADER + OPEN + BEGIN:
        wire.send(bytes((byte,)))
    wire.take(8)
    wire.expect("mechanisms")
    wire.expect("outcome")
    wire.take(8)
    wire.expect("open")
    wire.expect("begin")


@pytest.mark.parametrize(
    "sent",
    [
        frame(composite("open", container_id="early")),
        frame(composite("outcome", code=0), 0, SASL),
        frame(b"", 0, SASL),
        frame(b"\x40", 0, SASL),
        frame(composite("init"), 0, SASL),
        frame(composite("init", mechanism=Sym("PLAIN"), initial_response=b"x" * 600), 0, SASL),
        b"\x00\x00\x00\x04\x02\x01\x00\x00",
        b"\x00\x00\x00\x08\x01\x01\x00\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        AMQP_HEADER,
    ],
)
def test_what_does_not_belong_into_sasl_ends_the_connection(wire: Wire10, sent: bytes) -> None:
    wire.send(SASL_HEADER)
    wire.take(8)
    wire.expect("mechanisms")
    wire.send(sent)
    for found in wire.ends():
        assert found.name in ("outcome", "empty")
        assert found.performative is None or found.performative["code"] != 0


def test_another_header_after_the_log_in_is_the_end(wire: Wire10) -> None:
    assert wire.log_in()["code"] == 0
    wire.send(SASL_HEADER)
    with pytest.raises(Dropped):
        wire.take(9)  # at most a header that says what is spoken here
