"""Requests of those who mean harm: pages of others, bodies that cost more than they are worth, rights that end."""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from tests.support.managed import SECONDS, Http, ManagedServer
from tests.support.waiting import until

from batonmq.management.http.listing import COLUMNS_MAX
from batonmq.management.http.routes import SMALL, USUAL_SIZE
from batonmq.server import password_threads
from batonmq.server.config import Config
from batonmq.server.config_tables import ManagementConfig
from batonmq.server.passwords import verify_password

GUEST = "authorization: Basic " + base64.b64encode(b"guest:guest").decode()
DRAIN = "/api/queues/%2F/nothing/contents"


# ---------------------------------------------------------------------- pages of others


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": "http://[broken"},
        # The name of somebody else, made to lead here.
        {"origin": "http://elsewhere.example", "host": "elsewhere.example"},
    ],
)
def test_a_page_of_another_host_changes_nothing(http: Http, headers: dict[str, str]) -> None:
    answer = http("DELETE", DRAIN, headers=headers)
    assert answer.status in (401, 403)
    assert http("GET", "/api/whoami", headers={"sec-fetch-site": "cross-site"}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": "https://behind.a.proxy.example"},
        {"sec-fetch-site": "none"},
        {"origin": "http://localhost:15672"},
        {"origin": "http://192.0.2.1:15672", "host": "192.0.2.1:15672"},
    ],
)
def test_who_is_no_page_or_the_own_one_may_change_things(http: Http, headers: dict[str, str]) -> None:
    assert http("DELETE", DRAIN, headers=headers).status == 404


@pytest.mark.parametrize(
    ("host", "status"), [("localhost:1", 200), ("[::1]", 200), ("127.1.2.3:99", 200), ("x.y", 401)]
)
def test_guest_comes_by_a_name_of_this_machine(http: Http, managed: ManagedServer, host: str, status: int) -> None:
    assert http("GET", "/api/whoami", headers={"host": host}).status == status
    with Http(managed.http_port, "a-administrator", "sesame") as other:
        assert other("GET", "/api/whoami", headers={"host": host}).status == 200


def test_a_page_of_another_host_logs_nobody_in(managed: ManagedServer) -> None:
    who = {"name": "guest", "password": "guest"}
    with Http(managed.http_port, None) as nobody:
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200)):
            assert nobody("POST", "/api/baton/session", who, {"sec-fetch-site": site}).status == status


def test_all_of_the_url_may_be_asked_for(http: Http) -> None:
    assert http("GET", "http://localhost/api/whoami?x=1").json["name"] == "guest"
    assert http("GET", "http://localhost").status == 200
    for nonsense in ("HTTP://[/api/whoami", "[://x/api/whoami", "*", "x:y", "[", "HTTP://"):
        assert http("GET", nonsense).status in (200, 404), nonsense


# ---------------------------------------------------------------------- bodies


@pytest.mark.parametrize("path", ["/api/baton/session", "/api/login"])
def test_who_has_not_logged_in_sends_little(managed: ManagedServer, path: str) -> None:
    with Http(managed.http_port, None) as nobody:
        assert nobody("POST", path, b" " * SMALL).status in (400, 401)
    with Http(managed.http_port, None) as nobody:
        answer = nobody("POST", path, b" " * (SMALL + 1))
        assert (answer.status, answer.json["error"]) == (413, "payload_too_large")


def test_json_has_its_bound(managed: ManagedServer) -> None:
    with managed.http() as http:
        assert http("PUT", "/api/queues/%2F/large", b" " * (USUAL_SIZE - 2) + b"[]").status == 400
        answer = http("PUT", "/api/queues/%2F/large", b'{"arguments":{"a":[' + b"[]," * USUAL_SIZE + b"[]]}}")
        assert (answer.status, str(USUAL_SIZE) in answer.json["reason"]) == (413, True)


def test_of_what_is_published_the_payload_alone_may_be_large(http: Http, unique_name: str) -> None:
    queue = f"/api/queues/%2F/{unique_name}"
    assert http("PUT", queue, {}).status == 201
    message = {"properties": {}, "routing_key": unique_name, "payload_encoding": "string"}
    payload = "ä," * USUAL_SIZE
    publish = "/api/exchanges/%2F/amq.default/publish"
    assert http("POST", publish, {**message, "payload": payload, "more": [0] * USUAL_SIZE}).json == {"routed": True}
    for wrong in ({"payload": [0] * USUAL_SIZE}, {"payload": "", "properties": {"headers": {"a": [0] * USUAL_SIZE}}}):
        answer = http("POST", publish, {**message, **wrong})
        assert (answer.status, answer.json["error"]) == (413, "payload_too_large"), answer.body
    assert http("POST", publish, json.dumps({**message, "payload": payload}).encode()[:-1]).status == 400
    got = http("POST", f"{queue}/get", {"count": 2, "ackmode": "ack_requeue_false", "encoding": "auto"}).json
    assert [one["payload"] for one in got] == [payload]


def test_a_body_has_one_length(managed: ManagedServer) -> None:
    with closing(socket.create_connection(("127.0.0.1", managed.http_port), 40)) as opened:
        opened.sendall(
            b"PUT /api/queues/%2F/smuggled HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
            + GUEST.encode()
            + b"\r\n\r\n0\r\n\r\nGET /api/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        received = b""
        while piece := opened.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("path", ["/api/queues/%2F/new", "/api/login"], ids=["before the answer", "after it"])
def test_a_body_that_breaks_off_as_no_http_logs_no_fault(
    managed: ManagedServer, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(socket.create_connection(("127.0.0.1", managed.http_port), 40)) as opened:
        head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\n{GUEST}\r\nTransfer-Encoding: chunked\r\n\r\n"
        opened.sendall(head.encode())
        received = b""
        if path == "/api/login":
            # It is refused without a look at its body.
            received = opened.recv(65536)
        opened.sendall(b"no chunk\r\n")
        while piece := opened.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.1 4") == 1
    with closing(Http(managed.http_port)) as other:
        assert other("GET", "/api/whoami").status == 200
    assert not [record for record in caplog.records if record.exc_info]


def test_columns_have_their_bound(http: Http) -> None:
    columns = ",".join(f"c{number}" for number in range(COLUMNS_MAX))
    assert http("GET", f"/api/vhosts?columns={columns},c1,c2").status == 200
    assert http("GET", f"/api/vhosts?columns={columns},other").status == 400


# ---------------------------------------------------------------------- rights that end


@contextmanager
def half_sent(server: ManagedServer, user: str, method: str, path: str, body: bytes) -> Iterator[socket.socket]:
    """A request of which the last octet is still to come, and the log-in has been."""
    proof = base64.b64encode(f"{user}:sesame".encode()).decode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n"
    with closing(socket.create_connection(("127.0.0.1", server.http_port), 40)) as opened:
        opened.sendall(f"{head}Authorization: Basic {proof}\r\n\r\n".encode())
        # It is asked for the body when its head was taken.
        assert opened.recv(65536).startswith(b"HTTP/1.1 100 ")
        opened.sendall(body[:-1])
        yield opened


CHANGES: tuple[tuple[str, dict[str, object] | None], ...] = (
    ("PUT", {"password": "other", "tags": "administrator"}),
    ("PUT", {"password": "sesame", "tags": "monitoring"}),
    ("DELETE", None),
)


@pytest.mark.parametrize(("method", "change"), CHANGES, ids=["another password", "demoted", "deleted"])
def test_rights_are_those_of_when_the_body_has_come(
    http: Http, unique_name: str, managed: ManagedServer, method: str, change: dict[str, object] | None
) -> None:
    user = f"user-{abs(hash(unique_name))}"
    assert http("PUT", f"/api/users/{user}", {"password": "sesame", "tags": "administrator"}).status == 201
    body = b'{"password":"x","tags":"administrator"}'
    with half_sent(managed, user, "PUT", f"/api/users/{user}-friend", body) as opened:
        assert http(method, f"/api/users/{user}", change).status == 204
        opened.sendall(body[-1:])
        assert opened.recv(65536).startswith(b"HTTP/1.1 401 ")
    assert http("GET", f"/api/users/{user}-friend").status == 404
    http("DELETE", f"/api/users/{user}")


@pytest.mark.parametrize("change", [{"tags": ""}, {"password": "other", "tags": "management"}], ids=["tag", "password"])
def test_a_stream_of_events_ends_with_the_log_in(http: Http, managed: ManagedServer, change: dict[str, str]) -> None:
    user = f"/api/users/listener-{len(change)}"
    assert http("PUT", user, {"password": "sesame", "tags": "management"}).status == 201
    client = Http(managed.http_port, user.rpartition("/")[2], "sesame")
    client.connection.request("GET", "/api/baton/events", None, client.headers)
    response = client.connection.getresponse()
    assert response.status == 200
    # The stream listens when its first line is here.
    assert response.readline().startswith(b"retry")
    assert http("PUT", user, change).status == 204
    assert b"event: closed" in response.read()
    client.close()
    http("DELETE", user)
    until(lambda: http("GET", user).status == 404)


def test_a_regular_expression_costs_little_for_each_name(http: Http) -> None:
    path = "/api/queues?page=1&use_regex=true&name="
    assert http("GET", f"{path}%5E(a%2B)%2B%24").status == 200
    # Of a thousand states each may be reached after each character.
    answer = http("GET", f"{path}(a?)%7B300%7Da%7B300%7D")
    assert (answer.status, answer.json["error"]) == (400, "bad_request")


# ---------------------------------------------------------------------- too many connections


def test_whose_password_is_looked_at_is_not_turned_out_for_those_who_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def verify(password: str, stored: str) -> bool:
        begun.set()
        return go_on.wait(SECONDS) and verify_password(password, stored)

    config = Config(management=ManagementConfig(connections=4))
    basic = base64.b64encode(b"slow:sesame").decode()
    with ManagedServer(tmp_path, config) as server, ExitStack() as kept:
        with Http(server.http_port) as guest:
            guest("PUT", "/api/users/slow", {"password": "sesame", "tags": "monitoring"})
        monkeypatch.setattr(password_threads, "verify_password", verify)
        asks = kept.enter_context(socket.create_connection(("127.0.0.1", server.http_port), timeout=SECONDS))
        asks.sendall(f"GET /api/whoami HTTP/1.1\r\nHost: localhost\r\nauthorization: Basic {basic}\r\n\r\n".encode())
        assert begun.wait(SECONDS)
        silent = [
            kept.enter_context(socket.create_connection(("127.0.0.1", server.http_port), timeout=SECONDS))
            for _ in range(12)
        ]
        # The first of these have made room for the others.
        assert all(one.recv(1) == b"" for one in silent[:8])
        go_on.set()
        assert asks.recv(12) == b"HTTP/1.1 200"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second address of this machine")
def test_who_comes_from_elsewhere_is_not_turned_out_for_those_of_one_address(tmp_path: Path) -> None:
    config = Config(management=ManagementConfig(connections=6))
    basic = base64.b64encode(b"guest:guest").decode()
    with ManagedServer(tmp_path, config) as server, ExitStack() as kept:
        here = ("127.0.0.1", server.http_port)
        for _ in range(3):
            known = kept.enter_context(socket.create_connection(here, timeout=SECONDS))
            known.sendall(
                f"GET /api/whoami HTTP/1.1\r\nHost: localhost\r\nauthorization: Basic {basic}\r\n\r\n".encode()
            )
            assert known.recv(12) == b"HTTP/1.1 200"
        newcomer = kept.enter_context(socket.create_connection(here, SECONDS, ("127.0.0.2", 0)))
        silent = [kept.enter_context(socket.create_connection(here, timeout=SECONDS)) for _ in range(12)]
        # Those who came first have made room for the others of their address.
        assert all(one.recv(1) == b"" for one in silent[:10])
        newcomer.sendall(b"GET /api/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert newcomer.recv(12) == b"HTTP/1.1 401"


def test_who_has_been_refused_makes_room_again(tmp_path: Path) -> None:
    config = Config(management=ManagementConfig(connections=2))
    with ManagedServer(tmp_path, config) as server, ExitStack() as kept:
        refused = kept.enter_context(socket.create_connection(("127.0.0.1", server.http_port), timeout=SECONDS))
        refused.sendall(b"GET /api/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert refused.recv(12) == b"HTTP/1.1 401"
        for _ in range(2):
            kept.enter_context(socket.create_connection(("127.0.0.1", server.http_port), timeout=SECONDS))
        with suppress(ConnectionResetError):
            while refused.recv(65_536):
                pass
