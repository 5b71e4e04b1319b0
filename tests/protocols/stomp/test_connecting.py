"""CONNECT and STOMP (STOMP 1.2 "Connecting")."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batonmq.broker import Permission, User
from batonmq.protocols.stomp import StompSettings
from tests.support.driven import EVERYTHING, Driven
from tests.support.stomp import Client, only, refused, settings

LOGIN = {"login": "guest", "passcode": "guest"}


@pytest.fixture
def client(driven: Driven) -> Client:
    """Not logged in yet."""
    return Client(driven)


@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
def test_c1_connect_and_stomp_are_the_same(client: Client, command: str) -> None:
    connected = only(client.do(command, {"accept-version": "1.2", "host": "/", **LOGIN}), "CONNECTED")
    assert connected["version"] == "1.2"
    assert connected["session"].startswith("session-")


def test_c1_connected_has_a_session_of_its_own(driven: Driven) -> None:
    first, second = (Client(driven).connect("1.0") for _ in range(2))
    assert first["session"] != second["session"]


def test_c2_without_accept_version_it_is_1_0(client: Client) -> None:
    connected = only(client.do("CONNECT", LOGIN), "CONNECTED")
    assert connected["version"] == "1.0"
    # Which is spoken from now on: an id is no must in it, and nothing is escaped.
    client.do("SUBSCRIBE", {"destination": "/queue/q"})
    message = only(client.send("/queue/q", "m", a="b\\nc"), "MESSAGE")
    assert message["a"] == "b\\nc"
    assert message.get("subscription") is None


@pytest.mark.parametrize(
    ("accepted", "agreed"),
    [
        ("1.0", "1.0"),
        ("1.1", "1.1"),
        ("1.2", "1.2"),
        ("1.0,1.1,1.2", "1.2"),
        ("1.2,1.1,1.0", "1.2"),
        ("1.0,1.1,2.0", "1.1"),
        ("1.0, 1.1", "1.1"),
    ],
)
def test_c3_the_highest_version_that_both_know_is_spoken(client: Client, accepted: str, agreed: str) -> None:
    assert client.connect(accepted)["version"] == agreed


@pytest.mark.parametrize("accepted", ["2.0", "", "1.3,9.9"])
def test_c4_no_common_version_is_told_and_ends_the_connection(client: Client, accepted: str) -> None:
    error = refused([client.login(accepted)], "Version mismatch")
    assert error["version"] == "1.0,1.1,1.2"
    assert error["content-type"] == "text/plain"
    assert error.body == b"Supported versions are 1.0,1.1,1.2\n"
    assert client.has_ended()


def test_c5_host_names_a_virtual_host(driven: Driven) -> None:
    driven.broker.add_vhost("shop")
    both = User("guest", frozenset(), {"/": Permission(), "shop": Permission()})
    client = Client(driven, users={"guest": ("guest", both)})
    client.connect(host="shop")
    client.send("/queue/orders", "m")
    assert "orders" in driven.broker.vhosts["shop"].queues
    assert "orders" not in driven.broker.vhosts["/"].queues


def test_c5_an_unknown_host_is_the_default_one(client: Client, driven: Driven) -> None:
    client.connect(host="stomp.example.org")
    client.send("/queue/q", "m")
    assert driven.bodies() == ["m"]


def test_c5_no_host_is_the_default_one(client: Client, driven: Driven) -> None:
    only(client.do("CONNECT", {"accept-version": "1.2", **LOGIN}), "CONNECTED")
    client.send("/queue/q", "m")
    assert driven.bodies() == ["m"]


def test_c5_a_virtual_host_that_the_user_may_not_open_is_refused(driven: Driven) -> None:
    driven.broker.add_vhost("shop")
    client = Client(driven)
    error = refused([client.login(host="shop")], "Bad CONNECT")
    assert error.text == "Virtual host 'shop' access denied"
    assert client.has_ended()


@pytest.mark.parametrize(("login", "passcode"), [("guest", "wrong"), ("nobody", "guest"), ("guest", "")])
def test_c6_a_wrong_password_is_told_and_ends_the_connection(client: Client, login: str, passcode: str) -> None:
    error = refused([client.login(login=login, passcode=passcode)], "Bad CONNECT")
    assert error.text == f"Access refused for user '{login}'"
    assert client.has_ended()


@pytest.mark.parametrize("headers", [{}, {"login": "guest"}, {"passcode": "guest"}])
def test_c6_nobody_is_let_in_without_a_password(client: Client, headers: dict[str, str]) -> None:
    refused(client.do("CONNECT", {"accept-version": "1.2", **headers}), "Bad CONNECT")
    assert client.has_ended()


def test_c6_login_is_optional_where_a_default_one_is_set(driven: Driven) -> None:
    client = Client(driven, StompSettings(default_login="guest", default_passcode="guest"))
    assert only(client.do("CONNECT", {"accept-version": "1.2", "host": "/"}), "CONNECTED")["version"] == "1.2"


def test_c6_the_default_password_is_not_that_of_who_names_himself(driven: Driven) -> None:
    client = Client(driven, StompSettings(default_login="guest", default_passcode="guest"))
    refused(client.do("CONNECT", {"accept-version": "1.2", "login": "guest"}), "Bad CONNECT")


def test_c6_what_follows_the_connect_waits_for_the_password(client: Client, driven: Driven) -> None:
    client.host.waits = True
    client.put("CONNECT", {"accept-version": "1.1", **LOGIN})
    client.version = "1.1"
    client.put("SEND", {"destination": "/queue/q", "a:b": "c\nd"}, "m")
    client.put("SUBSCRIBE", {"destination": "/queue/q", "id": "1"})
    assert client.read() == []
    assert driven.broker.vhosts["/"].queues == {}
    client.host.asked.pop()()
    connected, message = client.read()
    assert connected.command == "CONNECTED"
    assert message.body == b"m"
    assert message["a:b"] == "c\nd"


def test_c6_nothing_is_done_for_whom_the_password_did_not_let_in(client: Client, driven: Driven) -> None:
    client.put("CONNECT", {"accept-version": "1.2", "login": "guest", "passcode": "wrong"})
    client.put("SEND", {"destination": "/queue/q"}, "m")
    refused(client.read(), "Bad CONNECT")
    assert driven.broker.vhosts["/"].queues == {}


def test_c6_a_client_that_goes_while_its_password_is_checked_is_not_let_in(client: Client) -> None:
    client.host.waits = True
    client.put("CONNECT", LOGIN)
    client.lose()
    client.host.asked.pop()()
    assert client.read() == []
    assert client.has_ended()


@pytest.mark.parametrize("written", ["a\\b:c", "a\\\\b\\cc"])
def test_c6_a_password_is_taken_as_it_is_written_or_unescaped(driven: Driven, written: str) -> None:
    client = Client(driven, users={"guest": ("a\\b:c", EVERYTHING)})
    assert client.login(passcode=written).command == "CONNECTED"


def test_c6_a_password_with_a_backslash_that_is_no_escape_is_refused_as_any_other(client: Client) -> None:
    refused([client.login(passcode="a\\x")], "Bad CONNECT")


def test_c6_what_an_unknown_client_may_send_is_limited(driven: Driven) -> None:
    client = Client(driven, StompSettings(max_before_login=1_000))
    refused(client.feed(b"CONNECT\na:" + 1_000 * b"x"), "Frame too large")
    assert client.has_ended()


def test_c6_more_than_that_is_not_looked_at_where_the_connection_goes_on(driven: Driven) -> None:
    client = Client(driven, replace(settings("rabbitmq"), max_before_login=1_000))
    refused(client.feed(b"SEND\ncontent-length:9000\n\n" + 1_000 * b"x"), "Frame too large")
    assert not client.has_ended()
    for _ in range(20):
        refused(client.feed(1_000 * b"x"), "Frame too large")
    refused([client.login()], "Frame too large")


def test_c6_who_says_nothing_is_let_go(client: Client) -> None:
    ends = []
    for seconds in (9.75, 0.25):
        assert client.wait(seconds) == []
        ends.append(client.has_ended())
    assert ends == [False, True]


def test_c7_the_server_names_itself(driven: Driven) -> None:
    named = Client(driven, StompSettings(product="Baton", version="9.8")).connect()
    assert named["server"] == "Baton/9.8"
    assert Client(driven, StompSettings(product="")).connect().get("server") is None


@pytest.mark.parametrize(
    "command", ["SEND", "SUBSCRIBE", "UNSUBSCRIBE", "ACK", "NACK", "BEGIN", "COMMIT", "ABORT", "DISCONNECT"]
)
def test_c8_any_other_frame_first_ends_the_connection(client: Client, command: str) -> None:
    error = refused(client.do(command, {"destination": "/queue/q"}), "Illegal command")
    assert error.text == "You must log in using CONNECT first"
    assert client.has_ended()


def test_c8_bytes_that_are_no_frame_end_the_connection(client: Client) -> None:
    refused(client.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\0"), "Illegal command")
    assert client.has_ended()


@pytest.mark.parametrize("dialect", ["spec", "rabbitmq", "activemq", "artemis"])
@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
def test_c9_a_second_connect_ends_the_connection(driven: Driven, command: str, dialect: str) -> None:
    client = Client(driven, settings(dialect))
    client.connect()
    refused(client.do(command, {"accept-version": "1.2", **LOGIN}), "Illegal command")
    assert client.has_ended()


def test_c10_clients_that_come_and_go_leave_nothing_behind(driven: Driven) -> None:
    for _ in range(50):
        client = Client(driven)
        client.put("CONNECT", {"accept-version": "1.2", **LOGIN})
        client.version = "1.2"
        client.put("SUBSCRIBE", {"destination": "/topic/t", "id": "1"})
        client.put("SUBSCRIBE", {"destination": "/temp-queue/t", "id": "2"})
        client.put("DISCONNECT")
        client.read()
        assert client.has_ended()
        client.lose()
    assert driven.broker.vhosts["/"].queues == {}


@pytest.mark.parametrize("dialect", ["spec", "rabbitmq"])
def test_c11_connect_has_no_receipt(driven: Driven, dialect: str) -> None:
    connected = Client(driven, settings(dialect)).connect(receipt="1", request_id="2")
    assert connected.get("receipt-id") is None
    assert connected.get("response-id") is None


@pytest.mark.parametrize("dialect", ["activemq", "artemis"])
def test_c11_activemq_names_the_request_in_its_answer(driven: Driven, dialect: str) -> None:
    connected = Client(driven, settings(dialect)).connect(receipt="1", request_id="2")
    assert connected["receipt-id"] == "1"
    assert connected["response-id"] == "2"


@pytest.mark.parametrize("command", ["CONNECTED", "MESSAGE", "RECEIPT", "ERROR"])
def test_c12_frames_of_a_server_end_the_connection(driven: Driven, command: str) -> None:
    client = Client(driven)
    client.connect()
    refused(client.do(command, {"message": "?"}), "Bad command")
    assert client.has_ended()
    early = Client(driven)
    refused(early.do(command, {"message": "?"}), "Illegal command")
    assert early.has_ended()


def test_settings_of_one_listener_are_not_those_of_another(driven: Driven) -> None:
    strict = StompSettings(default_login="guest", default_passcode="guest")
    assert Client(driven, replace(strict, default_login=None)).login(login="x").command == "ERROR"
    assert Client(driven, strict).connect()["version"] == "1.2"
