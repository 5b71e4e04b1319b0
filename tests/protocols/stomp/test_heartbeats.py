"""Heart-beats (STOMP 1.2 "Heart-beating"), by a clock that the tests move."""

from __future__ import annotations

import pytest

from batonmq.protocols.sessions.standing import SUSPENDED
from batonmq.protocols.stomp import StompSettings
from tests.support.driven import Driven
from tests.support.stomp import TICK, Client, bodies, only, refused


@pytest.fixture
def client(driven: Driven) -> Client:
    """Not logged in yet."""
    return Client(driven)


def beats(client: Client, seconds: float) -> int:
    """Line ends that came in that time."""
    client.raw = b""
    client.wait(seconds)
    return client.raw.count(b"\n")


@pytest.mark.parametrize("text", ["0", "T,0", "0,10,50", "0,-1", "-1,0", "1.5,0", "", ",", "1,", "0,٣"])
def test_h1_a_malformed_heart_beat_ends_the_connection(client: Client, text: str) -> None:
    refused([client.login(heart_beat=text)], "Invalid heart-beat")
    assert client.has_ended()


def test_h1_no_heart_beat_is_none_in_both_ways(client: Client) -> None:
    assert client.connect()["heart-beat"] == "0,0"
    assert beats(client, 3_600) == 0
    assert not client.has_ended()


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("0,0", "0,0"),
        ("5000,0", "0,5000"),
        ("0,7000", "7000,0"),
        ("5000,7000", "7000,5000"),
        ("1,1", "1000,1000"),
        ("999999999999,0", "0,0"),
    ],
)
def test_h2_the_rarer_of_what_both_want_is_agreed_on(client: Client, asked: str, answered: str) -> None:
    assert client.connect(heart_beat=asked)["heart-beat"] == answered


def test_h2_the_client_is_let_go_only_if_it_promised_heart_beats(client: Client) -> None:
    client.connect(heart_beat="0,5000")
    assert beats(client, 100) > 0
    assert not client.has_ended()


def test_h2_the_least_interval_is_a_setting(driven: Driven) -> None:
    client = Client(driven, StompSettings(heart_beat_min=200))
    assert client.connect(heart_beat="100,300")["heart-beat"] == "300,200"


@pytest.mark.parametrize("seconds", [1, 2, 5, 60])
def test_h3_something_is_sent_in_every_interval(client: Client, seconds: int) -> None:
    client.connect(heart_beat=f"0,{seconds * 1000}")
    for _ in range(5):
        assert beats(client, seconds) >= 1


def test_h3_a_frame_is_a_heart_beat(client: Client, driven: Driven) -> None:
    client.connect(heart_beat="0,10000")
    client.subscribe("/queue/q", ack="auto")
    for number in range(20):
        assert bodies(client.wait(4)) == []
        driven.publish(str(number))
        client.raw = b""
        assert bodies(client.wait(1)) == [str(number)]
        # Nothing beside the frame.
        assert client.raw.startswith(b"MESSAGE\n")
        assert client.raw.endswith(b"\0\n")


@pytest.mark.parametrize("data", [b"\n", b"\r\n", b"S", b"SEND\ndestination:/queue/q\n\nm\0"])
def test_h4_any_octet_is_a_sign_of_life(client: Client, data: bytes) -> None:
    client.connect(heart_beat="10000,0")
    for _ in range(5):
        client.wait(19)
        assert not client.has_ended()
        client.session.receive(data)
        client.wait(0.1)
        if data == b"S":
            data = b"E"
    assert not client.has_ended()


def test_h5_a_heart_beat_may_be_late_by_an_interval(client: Client) -> None:
    client.connect(heart_beat="10000,0")
    assert client.wait(20) == []
    assert not client.has_ended()
    assert client.wait(0.5) == []
    assert client.has_ended()


def test_h5_a_client_that_keeps_its_promise_stays(client: Client) -> None:
    client.connect(heart_beat="1000,0")
    for _ in range(100):
        assert client.wait(1) == []
        client.session.receive(b"\n")
    assert not client.has_ended()


def test_h5_what_a_silent_client_held_is_given_back(client: Client, driven: Driven) -> None:
    driven.queue("q")
    client.connect(heart_beat="10000,0")
    client.subscribe("/queue/q", ack="client")
    driven.publish("m")
    assert bodies(client.read()) == ["m"]
    client.wait(21)
    assert driven.bodies() == ["m"]


def test_h6_none_come_before_connected(client: Client) -> None:
    client.host.waits = True
    headers = {"accept-version": "1.2", "heart-beat": "0,1000", "login": "guest", "passcode": "guest"}
    client.put("CONNECT", headers)
    client.wait(5)
    assert client.raw == b""
    client.host.asked.pop()()
    assert only(client.read(), "CONNECTED")["heart-beat"] == "1000,0"
    assert beats(client, 1) >= 1


def test_h6_the_time_until_connected_does_not_count_as_silence(client: Client) -> None:
    client.host.waits = True
    headers = {"accept-version": "1.2", "heart-beat": "1000,0", "login": "guest", "passcode": "guest"}
    client.put("CONNECT", headers)
    client.wait(5)
    client.host.asked.pop()()
    only(client.read(), "CONNECTED")
    assert client.wait(0.1) == []
    assert not client.has_ended()


def test_h6_there_are_none_in_1_0(client: Client) -> None:
    assert client.connect("1.0", heart_beat="1000,1000")["heart-beat"] == "0,0"
    assert beats(client, 3_600) == 0
    assert not client.has_ended()


def test_h7_the_answer_names_what_the_server_sends_first(client: Client) -> None:
    assert client.connect(heart_beat="3000,8000")["heart-beat"] == "8000,3000"
    # So it is the server that speaks every 8 s, and the client that must every 3.
    assert beats(client, 6) == 0
    assert client.wait(0.5) == []
    assert client.has_ended()


def test_h8_a_body_on_its_way_is_a_sign_of_life(client: Client, driven: Driven) -> None:
    client.connect(heart_beat="1000,0")
    driven.queue("q")
    client.session.receive(b"SEND\ndestination:/queue/q\ncontent-length:60\n\n")
    for _ in range(60):
        client.session.receive(b"x")
        client.wait(1.5)
    client.feed(b"\0")
    assert driven.bodies() == [60 * "x"]
    assert not client.has_ended()


def test_h8_a_client_that_waits_for_the_store_is_not_taken_for_dead(stored: Driven) -> None:
    client = Client(stored)
    client.connect(heart_beat="1000,0")
    # A queue that is made for it is on the disk first; until then nothing is read from its socket.
    client.put("SUBSCRIBE", {"destination": "/queue/new", "id": "1", "receipt": "r"})
    assert client.session.standing() & SUSPENDED
    for _ in range(40):
        stored.clock.now += TICK
        client.session.tick(stored.clock.now)
    assert not client.has_ended()
    assert only(client.read(), "RECEIPT")["receipt-id"] == "r"
    # Its heart-beats lay in the socket meanwhile, and are read when there is time.
    assert client.wait(1.5) == []
    assert not client.has_ended()


def test_h9_a_heart_beat_is_one_line_end(client: Client) -> None:
    client.connect(heart_beat="0,1000")
    client.raw = b""
    client.wait(1)
    assert client.raw == b"\n"
