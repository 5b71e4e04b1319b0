"""Open, close, frames, and signs of life (part 2 §2.3, §2.4, §2.7.1)."""

from __future__ import annotations

import select
import time
from pathlib import Path

import pytest

from tests.conformance.amqp10.conftest import Connect10
from tests.support.amqp10_codec import Raw, Sym, composite, described, encode, frame, message, ushort
from tests.support.amqp10_wire import Link10, Session10, Wire10, connection_error
from tests.support.broker import Broker
from tests.support.waiting import in_time

FRAMING = "amqp:connection:framing-error"
DECODE = ("amqp:decode-error", "amqp:invalid-field")


def test_close_is_answered_with_close_and_the_end(wire10: Wire10) -> None:
    wire10.close()


def test_close_with_an_error_is_answered_with_close_and_the_end(wire10: Wire10) -> None:
    wire10.perform("close", error=composite("error", condition=Sym("amqp:internal-error"), description="broken"))
    assert wire10.expect("close")["error"] is None
    assert wire10.ends() == []


def test_close_may_come_in_the_same_bytes_as_open(connect10: Connect10) -> None:
    wire = connect10(opened=False).enter()
    wire.send(frame(composite("open", container_id="c")), frame(composite("close")))
    wire.expect("open")
    assert wire.expect("close")["error"] is None
    assert wire.ends() == []


def test_nothing_is_done_after_close(wire10: Wire10) -> None:
    begin = composite("begin", next_outgoing_id=0, incoming_window=1, outgoing_window=1)
    wire10.send(frame(composite("close")), frame(begin))
    wire10.expect("close")
    assert wire10.ends() == []


def test_what_comes_before_open_is_answered_with_open_and_close(connect10: Connect10) -> None:
    wire = connect10(opened=False).enter()
    wire.perform("begin", next_outgoing_id=0, incoming_window=1, outgoing_window=1)
    wire.expect("open")
    assert wire.error("close").startswith("amqp:")


def test_open_comes_once(wire10: Wire10) -> None:
    with connection_error(wire10, "amqp:illegal-state", "amqp:not-allowed", FRAMING):
        wire10.perform("open", container_id="again")


def test_open_names_the_container_and_takes_512_bytes_or_more(wire10: Wire10) -> None:
    assert wire10.remote is not None
    assert wire10.remote["container_id"]
    assert wire10.remote.number("max_frame_size", 2**32 - 1) >= 512


def test_open_has_to_name_the_container(connect10: Connect10) -> None:
    wire = connect10(opened=False).enter()
    with connection_error(wire, *DECODE):
        wire.perform("open")


# Frames


def test_empty_frames_are_signs_of_life(wire10: Wire10) -> None:
    wire10.send(frame(b""), frame(b""), frame(b"", 3))
    wire10.session().end()
    wire10.send(frame(b""))
    wire10.close()


def test_an_extended_header_is_skipped(wire10: Wire10) -> None:
    begin = composite("begin", next_outgoing_id=0, incoming_window=1, outgoing_window=1)
    wire10.send(frame(begin, doff=4, extra=b"\xff" * 8))
    wire10.expect("begin")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x00\x00\x07\x02\x00\x00\x00",
        b"\x00\x00\x00\x00\x02\x00\x00\x00",
        b"\x00\x00\x00\x08\x01\x00\x00\x00",
        b"\x00\x00\x00\x08\x00\x00\x00\x00",
        b"\x00\x00\x00\x08\x03\x00\x00\x00",
        b"\xff\xff\xff\xff\x02\x00\x00\x00",
    ],
)
def test_a_head_that_cannot_be_is_a_framing_error(wire10: Wire10, sent: bytes) -> None:
    with connection_error(wire10, FRAMING, "amqp:decode-error"):
        wire10.send(sent)


def test_a_frame_larger_than_the_broker_takes_is_a_framing_error(wire10: Wire10) -> None:
    assert wire10.remote is not None
    most = wire10.remote.number("max_frame_size", 2**32 - 1)
    if most > 1 << 24:
        pytest.skip("it takes any")
    with connection_error(wire10, FRAMING):
        wire10.send(frame(b"\x40" * (most - 7)))


@pytest.mark.parametrize(
    "body",
    [
        b"\x40",
        b"\x00",
        b"\x00\x53",
        b"\xc0",
        b"\x00\x53\x11\x40",
        b"\x00\x53\x11\xc0\x02\x05\x40",
        b"\x00\x53\x11\xd0\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x00\x53\x11\xc1\x01\x00",
        b"\x00\x53\x11\x3f",
        b"\x00" * 200,
        b"\x00\x53\x11" + b"\xc0\xff\x01" * 60,
        encode("a string"),
    ],
)
def test_what_cannot_be_decoded_is_an_error_of_the_connection(wire10: Wire10, body: bytes) -> None:
    with connection_error(wire10, *DECODE, FRAMING):
        wire10.send(frame(body))


def test_a_performative_that_is_not_there_is_an_error(wire10: Wire10) -> None:
    with connection_error(wire10, *DECODE, FRAMING, "amqp:not-implemented", "amqp:not-allowed"):
        wire10.send(frame(described(0x19, [])))


@pytest.mark.parametrize(
    "begin",
    [
        composite("begin"),
        composite("begin", next_outgoing_id=0, incoming_window=1),
        composite("begin", next_outgoing_id="0", incoming_window=1, outgoing_window=1),
        composite("begin", next_outgoing_id=Raw(b"\x80" + bytes(8)), incoming_window=1, outgoing_window=1),
        composite("begin", next_outgoing_id=True, incoming_window=1, outgoing_window=1),
    ],
)
def test_a_field_that_is_missing_or_of_another_type_is_an_error(wire10: Wire10, begin: bytes) -> None:
    wire10.send(frame(begin))
    found = wire10.read()
    assert found.name in ("close", "end", "begin")
    if found.name == "begin":  # an error of the session: begun, and ended at once
        found = wire10.read()
    assert found.performative is not None
    assert found.performative.part("error")["condition"] in DECODE


def test_descriptors_may_be_symbols_and_codes_as_long_as_they_get(wire10: Wire10) -> None:
    fields = [None, 0, 1, 1]
    wire10.send(frame(described("amqp:begin:list", fields)))
    wire10.expect("begin")
    wire10.send(frame(Raw(b"\x00\x80" + (0x11).to_bytes(8, "big") + encode(fields)), 1))
    assert wire10.expect("begin")["remote_channel"] == 1


def test_no_frame_is_larger_than_the_client_takes(connect10: Connect10, queue: str) -> None:
    session = connect10(max_frame_size=512, container_id="x" * 300).session()
    sender = session.sender(queue)
    body = bytes(range(256)) * 20
    parts = [message(body)[at : at + 400] for at in range(0, len(message(body)), 400)]
    delivery = session.deliveries
    for index, part in enumerate(parts):
        more = index < len(parts) - 1
        sender.perform("transfer", part, delivery_id=delivery, delivery_tag=b"t", message_format=0, more=more)
        session.next_outgoing += 1
    assert sender.outcome(delivery) == "accepted"
    came = session.receiver(queue, 1).receive()
    assert came.body == body
    assert came.frames > 10
    assert max(came.sizes) <= 512


# Channels


def test_a_channel_above_channel_max_is_a_framing_error(wire10: Wire10) -> None:
    assert wire10.remote is not None
    most = wire10.remote.number("channel_max", 65535)
    if most == 65535:
        pytest.skip("all channels are there")
    with connection_error(wire10, FRAMING):
        wire10.perform("begin", most + 1, next_outgoing_id=0, incoming_window=1, outgoing_window=1)


def test_the_broker_keeps_to_the_clients_channel_max(connect10: Connect10) -> None:
    wire = connect10(channel_max=ushort(0))
    wire.perform("begin", 0, next_outgoing_id=0, incoming_window=1, outgoing_window=1)
    found = wire.read()
    assert (found.name, found.channel) == ("begin", 0)


def test_a_session_that_is_not_there_is_an_error(wire10: Wire10) -> None:
    with connection_error(wire10, "amqp:not-found", "amqp:illegal-state", "amqp:not-allowed", FRAMING):
        wire10.perform("flow", 4, incoming_window=1, next_outgoing_id=0, outgoing_window=1)


def test_a_channel_has_one_session_at_a_time(wire10: Wire10) -> None:
    wire10.session(3)
    with connection_error(wire10, "amqp:illegal-state", "amqp:not-allowed", FRAMING):
        wire10.perform("begin", 3, next_outgoing_id=0, incoming_window=1, outgoing_window=1)


# Signs of life


def test_the_client_hears_something_within_the_time_that_it_gives(connect10: Connect10) -> None:
    def heard(seconds: int) -> None:
        wire = connect10(idle_time_out=1000 * seconds)
        last = time.monotonic()
        for _ in range(2):
            assert wire.read().performative is None
            now = time.monotonic()
            assert now - last < seconds
            last = now

    in_time(heard, 2, 12)


def test_a_silent_client_is_given_up_and_one_with_signs_of_life_is_not(tmp_path: Path, connect10: Connect10) -> None:
    def given_up(seconds: int) -> None:
        folder = tmp_path / str(seconds)
        folder.mkdir()
        broker = Broker(folder, f"[amqp10]\nidle_time_out = {seconds}\n")
        broker.start()
        try:
            lively, silent = connect10(to=broker.address), connect10(to=broker.address)
            assert silent.remote is not None
            assert 0 < silent.remote.number("idle_time_out") <= 1000 * seconds
            # Until the silent one is told something, the other goes on.
            while not select.select([silent.socket], [], [], 0.1)[0]:
                lively.send(frame(b""))
            closed = silent.read()
            assert closed.name == "close"
            assert closed.performative is not None
            assert closed.performative.part("error")["condition"] == "amqp:resource-limit-exceeded"
            lively.session().end()
        finally:
            broker.kill()

    in_time(given_up, 1, 10)


# What else a connection survives


def test_a_connection_that_is_cut_leaves_what_was_not_settled(
    connect10: Connect10, sender: Link10, other: Session10, queue: str
) -> None:
    sender.send(b"kept")
    lost = connect10().session().receiver(queue, 1)
    assert lost.receive().body == b"kept"
    lost.session.wire.close_socket()
    assert other.receiver(queue, 1).receive().body == b"kept"
