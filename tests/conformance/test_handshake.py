"""AMQP 0-9-1 section 4.2.2 and the connection class: from the protocol header to open-ok, and the end."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from pamqp import commands as spec

from tests.conftest import Connect
from tests.support.codec import HEARTBEAT, METHOD, encode_frame, encode_method
from tests.support.marks import differs_from
from tests.support.waiting import in_time
from tests.support.wire import (
    PROTOCOL_HEADER,
    Channel,
    ConnectionClosed,
    Dropped,
    Wire,
    channel_error,
    connection_error,
)

CAPABILITIES = (
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
)


@pytest.mark.parametrize("header", [PROTOCOL_HEADER, b"AMQP\x01\x01\x00\x09"], ids=["0-0-9-1", "1-1-0-9"])
def test_a_known_protocol_header_is_answered_with_start(connect: Connect, header: bytes) -> None:
    wire = connect(opened=False)
    wire.send_bytes(header)
    start = wire.expect(spec.Connection.Start)
    assert (start.version_major, start.version_minor) == (0, 9)


@pytest.mark.parametrize(
    "header", [b"AMQP\x00\x00\x08\x00", b"AMQP\x00\x01\x02\x03", b"GET / HT", b"\x16\x03\x01\x02\x00\x01\x00\x01"]
)
def test_an_unknown_protocol_header_is_answered_with_ours_and_closed(connect: Connect, header: bytes) -> None:
    wire = connect(opened=False)
    wire.send_bytes(header)
    assert wire.bytes_until_closed() == PROTOCOL_HEADER


def test_the_protocol_header_may_come_in_pieces(connect: Connect) -> None:
    wire = connect(opened=False)
    for byte in PROTOCOL_HEADER:
        wire.send_bytes(bytes([byte]))
    wire.expect(spec.Connection.Start)


def test_frames_may_come_in_pieces_and_several_at_once(connect: Connect) -> None:
    wire = connect()
    frames = b"".join(
        [
            b"\x01\x00\x01\x00\x00\x00\x05\x00\x14\x00\x0a\x00\xce",
            b"\x01\x00\x02\x00\x00\x00\x05\x00\x14\x00\x0a\x00\xce",
        ]
    )
    for at in range(len(frames) - 5):
        wire.send_bytes(frames[at : at + 1])
    wire.send_bytes(frames[-5:])
    for channel in (1, 2):
        wire.expect(spec.Channel.OpenOk, channel)


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_start_announces_the_capability(wire: Wire, capability: str) -> None:
    capabilities = wire.start.server_properties["capabilities"]
    assert isinstance(capabilities, dict)
    assert capabilities[capability] is True


@pytest.mark.parametrize("name", ["product", "version", "platform", "copyright", "information", "cluster_name"])
def test_start_has_the_property_as_a_string(wire: Wire, name: str) -> None:
    assert isinstance(wire.start.server_properties[name], str)


def test_the_version_is_numbers_and_dots(wire: Wire) -> None:
    assert re.match(r"\d+\.\d+\.\d+", str(wire.start.server_properties["version"]))


def test_start_offers_plain_and_amqplain_in_en_us(wire: Wire) -> None:
    assert {"PLAIN", "AMQPLAIN"} <= set(wire.start.mechanisms.split())
    assert "en_US" in wire.start.locales.split()


@pytest.mark.parametrize("mechanism", ["PLAIN", "AMQPLAIN"])
def test_the_mechanism_logs_in(connect: Connect, mechanism: str) -> None:
    wire = connect(opened=False)
    wire.greet()
    wire.log_in(mechanism=mechanism)


@pytest.mark.parametrize("mechanism", ["PLAIN", "AMQPLAIN"])
def test_a_wrong_password_is_told_to_who_can_hear_it(connect: Connect, mechanism: str) -> None:
    wire = connect(opened=False)
    wire.greet()
    text = f"ACCESS_REFUSED - Login was refused using authentication mechanism {mechanism}. "
    text += "For details see the broker logfile."
    with connection_error(403, text):
        wire.log_in(password="wrong", mechanism=mechanism)


def test_a_wrong_password_ends_the_socket_of_who_cannot_hear_it(connect: Connect) -> None:
    wire = connect(opened=False)
    wire.greet()
    with pytest.raises(Dropped):
        wire.log_in(password="wrong", capabilities={})


def test_an_unknown_user_is_refused_like_a_wrong_password(connect: Connect) -> None:
    wire = connect(opened=False)
    wire.greet()
    with connection_error(
        403, re.compile(r"^ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN\.")
    ):
        wire.log_in(user="no-such-user")


def test_an_unknown_mechanism_is_refused(connect: Connect) -> None:
    wire = connect(opened=False)
    wire.greet()
    with pytest.raises((ConnectionClosed, Dropped)) as refusal:
        wire.log_in(mechanism="HOPE")
    if isinstance(refusal.value, ConnectionClosed):
        assert "unknown authentication mechanism 'HOPE'" in refusal.value.text


def test_a_malformed_plain_response_is_refused(connect: Connect) -> None:
    wire = connect(opened=False)
    wire.greet()
    wire.send(spec.Connection.StartOk({}, "PLAIN", "no separators"))
    with pytest.raises((ConnectionClosed, Dropped)):
        wire.expect(spec.Connection.Tune)


def test_nested_client_properties_are_accepted(connect: Connect) -> None:
    wire = connect(opened=False)
    wire.greet()
    wire.log_in(properties={"connection_name": "c", "more": {"deep": {"er": [1, {"list": [True, None]}]}}})


def test_tune_offers_the_usual_limits(wire: Wire) -> None:
    assert (wire.tune.channel_max, wire.tune.frame_max, wire.tune.heartbeat) == (2047, 131072, 60)


@differs_from("rabbitmq 3.10", why="it only drops the socket, after three seconds")
def test_tune_ok_with_a_frame_max_below_the_minimum_is_refused(connect: Connect) -> None:
    wire = connect(opened=False)
    wire.greet()
    wire.log_in()
    text = re.compile(r"^NOT_ALLOWED - negotiated frame_max = 100 is lower than the minimum allowed value \(\d+\)$")
    with connection_error(530, text, spec.Connection.TuneOk):
        wire.tune_ok(frame_max=100)
        wire.frame_max = 131072
        wire.next()


@differs_from("rabbitmq 3.10", why="it only drops the socket, after three seconds")
@pytest.mark.parametrize("asked", [131073, 0])
def test_tune_ok_with_a_frame_max_above_the_servers_is_refused(connect: Connect, asked: int) -> None:
    wire = connect(opened=False)
    wire.greet()
    wire.log_in()
    text = f"NOT_ALLOWED - negotiated frame_max = {asked} is higher than the maximum allowed value (131072)"
    with connection_error(530, text, spec.Connection.TuneOk):
        wire.tune_ok(frame_max=asked)
        wire.frame_max = 131072
        wire.next()


@differs_from("rabbitmq 3.10", why="it only drops the socket, after three seconds")
@pytest.mark.parametrize(("asked", "said"), [(2048, "2048"), (0, "0 (no limit)")])
def test_tune_ok_with_a_channel_max_above_the_servers_is_refused(connect: Connect, asked: int, said: str) -> None:
    wire = connect(opened=False)
    wire.greet()
    wire.log_in()
    text = f"NOT_ALLOWED - negotiated channel_max = {said} is higher than the maximum allowed value (2047)"
    with connection_error(530, text, spec.Connection.TuneOk):
        wire.tune_ok(channel_max=asked)
        wire.next()


def test_the_minimum_frame_max_of_the_specification_is_accepted(connect: Connect, name: str) -> None:
    """4096 octets: AMQP 0-9-1 section 4.2.3. RabbitMQ 4 asks for 8192; older clients are welcome here."""
    ch = connect(frame_max=4096).channel()
    ch.queue(name)
    ch.publish(name, bytes(10_000))
    assert len(ch.await_one(name).body) == 10_000


def test_open_of_an_unknown_virtual_host_is_refused(connect: Connect) -> None:
    with connection_error(530, "NOT_ALLOWED - vhost missing not found", spec.Connection.Open):
        connect(opened=False).open(vhost="missing")


@pytest.mark.parametrize(
    "method",
    [spec.Connection.TuneOk(2047, 131072, 0), spec.Connection.Open("/"), spec.Channel.Open()],
    ids=lambda method: method.name,
)
def test_nothing_comes_before_start_ok(connect: Connect, method: spec.Connection.Open) -> None:
    wire = connect(opened=False)
    wire.greet()
    wire.send(method)
    with pytest.raises((ConnectionClosed, Dropped)):
        wire.next()


@pytest.mark.parametrize("method", [spec.Connection.Open("/"), spec.Channel.Open()], ids=lambda method: method.name)
def test_nothing_comes_before_tune_ok(connect: Connect, method: spec.Connection.Open) -> None:
    wire = connect(opened=False)
    wire.greet()
    wire.log_in()
    wire.send(method)
    with pytest.raises((ConnectionClosed, Dropped)):
        wire.next()


def test_the_broker_does_not_take_two_start_oks(connect: Connect) -> None:
    wire = connect(opened=False)
    wire.greet()
    wire.log_in()
    with pytest.raises((ConnectionClosed, Dropped)):
        wire.log_in()


@differs_from("rabbitmq 3.10", why="it leaves the socket to the client for half a minute")
def test_close_is_answered_with_close_ok_and_the_end_of_the_socket(wire: Wire) -> None:
    wire.send(spec.Connection.Close(200, "bye", 0, 0))
    wire.expect(spec.Connection.CloseOk)
    assert wire.bytes_until_closed() == b""


def test_what_follows_close_is_ignored(wire: Wire, connect: Connect, name: str) -> None:
    ch = wire.channel()
    wire.send(spec.Connection.Close(200, "bye", 0, 0))
    ch.send(spec.Queue.Declare(0, name))
    wire.expect(spec.Connection.CloseOk)
    with channel_error(404):
        connect().channel().queue(name, passive=True)


def test_both_sides_may_close_at_once(ch: Channel) -> None:
    """Connection.close is answered even by who waits for close-ok: section 1.4.2.8."""
    opened_twice = encode_frame(METHOD, 1, encode_method(spec.Channel.Open()))
    close = encode_frame(METHOD, 0, encode_method(spec.Connection.Close(200, "bye", 0, 0)))
    ch.wire.send_bytes(opened_twice + close)
    with connection_error(504):
        ch.wire.next()
    with contextlib.suppress(Dropped):
        ch.wire.expect(spec.Connection.CloseOk)


def test_update_secret_is_answered(wire: Wire) -> None:
    wire.send(spec.Connection.UpdateSecret("guest", "rotation"))
    wire.expect(spec.Connection.UpdateSecretOk)


@pytest.mark.parametrize("secret", ["other"])
def test_update_secret_takes_any_secret_of_a_user_with_a_password(wire: Wire, secret: str) -> None:
    wire.send(spec.Connection.UpdateSecret(secret, "rotation"))
    wire.expect(spec.Connection.UpdateSecretOk)


def test_the_broker_sends_heartbeats(connect: Connect) -> None:
    def sent(seconds: int) -> None:
        frame = connect(heartbeat=seconds).frame()
        assert (frame.kind, frame.channel, frame.payload) == (HEARTBEAT, 0, b"")

    in_time(sent, 1, 10)


def test_a_client_silent_for_two_intervals_is_cut_off(connect: Connect) -> None:
    wire = connect(heartbeat=1)
    began = time.monotonic()
    wire.bytes_until_closed()
    assert 1.0 < time.monotonic() - began < 20.0


def test_heartbeats_of_the_client_keep_the_connection(connect: Connect) -> None:
    def kept(seconds: int) -> None:
        wire = connect(heartbeat=seconds)
        until = time.monotonic() + 3.5 * seconds
        while time.monotonic() < until:
            wire.frame()
            wire.send_frame(HEARTBEAT, 0, b"")
        wire.channel()

    in_time(kept, 1, 10)


def test_heartbeat_zero_means_none(connect: Connect) -> None:
    wire = connect(heartbeat=0)
    with pytest.raises(TimeoutError):
        wire.frame(2.2)
