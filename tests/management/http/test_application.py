"""Requests as such: log-ins, rights, methods, bodies, and what every answer says."""

from __future__ import annotations

import asyncio
import base64
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pika
import pytest
from tests.support.managed import Http, ManagedServer, a_config

from batonmq.server.config import LimitsConfig, ManagementConfig

SESSION = "/api/baton/session"


def test_a_log_in_by_name_and_password(http: Http) -> None:
    assert http.get(SESSION) == {"user": "guest", "tags": ["administrator"], "csrf": ""}


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic " + base64.b64encode(b"guest:wrong").decode(),
        "Basic " + base64.b64encode(b"stranger:guest").decode(),
        "Basic " + base64.b64encode(b"guest").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\x00").decode(),
        "Basic ???",
        "Basic",
        "Bearer x",
        "Basic " + "A" * 20_000,
        "",
    ],
)
def test_who_cannot_log_in_is_told_so(managed: ManagedServer, authorization: str) -> None:
    with Http(managed.http_port, None) as http:
        answer = http("GET", SESSION, headers={"authorization": authorization})
        assert (answer.status, answer.json) == (401, {"error": "not_authorised", "reason": "Login failed"})
        # Checks for Nagios in Perl have the password for this realm only.
        assert answer.headers["www-authenticate"].startswith('Basic realm="RabbitMQ Management"')


def test_nobody_is_asked_to_log_in(managed: ManagedServer) -> None:
    with Http(managed.http_port, None) as http:
        assert http("GET", SESSION).status == 401
        # The web page asks for itself.
        answer = http("GET", SESSION, headers={"x-requested-with": "batonmq"})
        assert answer.status == 401
        assert "www-authenticate" not in answer.headers


def test_a_user_without_a_tag_is_no_management_user(managed: ManagedServer) -> None:
    with Http(managed.http_port, "a-nobody", "sesame") as http:
        answer = http("GET", SESSION)
        assert (answer.status, answer.json) == (401, {"error": "not_authorised", "reason": "Not management user"})
        answer = http("POST", SESSION, {"name": "a-nobody", "password": "sesame"})
        assert (answer.status, "set-cookie" in answer.headers) == (401, False)


def test_what_is_not_there(http: Http) -> None:
    for path in ("/api/nothing", "/api", "/api/baton/session/more", "/%2F", "/api/%00"):
        answer = http("GET", path)
        assert (path, answer.status, answer.json) == (path, 404, {"error": "Object Not Found", "reason": "Not Found"})


def test_a_wrong_method_names_the_right_ones(http: Http) -> None:
    answer = http("PUT", SESSION)
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, POST")
    assert http("OPTIONS", SESSION).headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST"


def test_head_is_get_without_a_body(http: Http) -> None:
    full, head = http("GET", SESSION), http("HEAD", SESSION)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(full.body))


def test_every_answer_is_safe_for_browsers(http: Http) -> None:
    for path in (SESSION, "/api/nothing"):
        headers = http("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "body is not JSON: Input data was truncated"),
        (b"{", "body is not JSON: Input data was truncated"),
        (b"\xff\xfe", "body is not JSON: JSON is malformed: invalid character (byte 0)"),
        (b"[" * 10_000, "body is nested deeper than 64 levels"),
        (b'{"name":' * 65 + b"1" + b"}" * 65, "body is nested deeper than 64 levels"),
        (b"[]", "the body is to be a JSON object"),
        (b'{"name": 1, "password": "x"}', '"name" and "password" are to be texts'),
    ],
)
def test_a_body_that_is_wrong(http: Http, body: bytes, reason: str) -> None:
    answer = http("POST", SESSION, body)
    assert (answer.status, answer.json) == (400, {"error": "bad_request", "reason": reason})


def test_an_openapi_description(managed: ManagedServer) -> None:
    with Http(managed.http_port, None) as http:
        described = http.get("/api/openapi.json")
    assert described["openapi"].startswith("3.")
    assert set(described["paths"][SESSION]) == {"get", "post", "delete"}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"].endswith((".", "?")), (method, path)


# ---------------------------------------------------------------------- the session of the web page


def test_a_session_needs_its_token_for_whatever_changes_something(managed: ManagedServer) -> None:
    with Http(managed.http_port, None) as http:
        begun = http("POST", SESSION, {"name": "guest", "password": "guest"})
        assert begun.status == 200
        cookie, *attributes = begun.headers["set-cookie"].split("; ")
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(attributes)
        csrf = begun.json["csrf"]
        looked = http("GET", SESSION, headers={"cookie": cookie})
        assert looked.json == {"user": "guest", "tags": ["administrator"], "csrf": csrf}
        for wrong in ({}, {"x-csrf-token": ""}, {"x-csrf-token": csrf[:-1]}):
            assert http("DELETE", SESSION, headers={"cookie": cookie, **wrong}).status == 403
        assert http("GET", SESSION, headers={"cookie": cookie}).status == 200
        assert http("DELETE", SESSION, headers={"cookie": cookie, "x-csrf-token": csrf}).status == 204
        assert http("GET", SESSION, headers={"cookie": cookie}).status == 401


def test_a_session_ends_with_its_password_and_with_nothing_less(
    make_own: Callable[[ManagementConfig], ManagedServer],
) -> None:
    server = make_own(ManagementConfig())

    def change(verb: str, *values: str, **fields: object) -> None:
        changing = server.server.users.change(lambda edit: getattr(edit, verb)("guest", *values, **fields))
        asyncio.run_coroutine_threadsafe(changing, server.loop).result(40)

    with Http(server.http_port, None) as http:
        begun = http("POST", SESSION, {"name": "guest", "password": "guest"})
        cookie = {"cookie": begun.headers["set-cookie"].split("; ")[0]}
        # The built-in user becomes one of the file.
        change("set_permission", "/", ".*", ".*", ".*")
        assert http("GET", SESSION, headers=cookie).status == 200
        change("put", password="another", tags=["administrator"])
        assert http("GET", SESSION, headers=cookie).status == 401


def test_a_wrong_password_begins_no_session(managed: ManagedServer) -> None:
    with Http(managed.http_port, None) as http:
        answer = http("POST", SESSION, {"name": "guest", "password": "wrong"})
        assert (answer.status, "set-cookie" in answer.headers) == (401, False)
        assert http("GET", SESSION, headers={"cookie": "batonmq_session=made-up"}).status == 401


# ---------------------------------------------------------------------- clients that behave badly


@pytest.fixture
def own(make_own: Callable[[ManagementConfig], ManagedServer]) -> ManagedServer:
    return make_own(ManagementConfig(max_body_size=1000, connections=3))


@pytest.fixture
def make_own(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[ManagementConfig], ManagedServer]:
    def make(management: ManagementConfig) -> ManagedServer:
        server = ManagedServer(tmp_path / "data", a_config(management=management))
        server.start()
        request.addfinalizer(server.stop)
        return server

    return make


def everything(opened: socket.socket) -> bytes:
    data = b""
    try:
        while piece := opened.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def test_a_body_beyond_the_limit(own: ManagedServer) -> None:
    with own.http() as http:
        answer = http("POST", SESSION, b"x" * 1001)
        assert (answer.status, answer.json["error"]) == (413, "payload_too_large")
    with socket.create_connection(("127.0.0.1", own.http_port), 40) as opened:
        opened.sendall(b"POST /api/baton/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            opened.sendall(b"64\r\n" + b"x" * 100 + b"\r\n")
        assert opened.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET /api/baton/session HTTP/1.1\r\nHost: x\r\n",
        b"POST /api/baton/session HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
    ],
)
def test_a_request_that_does_not_end_is_cut(
    make_own: Callable[[ManagementConfig], ManagedServer], begun: bytes
) -> None:
    own = make_own(ManagementConfig(request_timeout=0.5))
    with socket.create_connection(("127.0.0.1", own.http_port), 40) as opened:
        opened.sendall(begun)
        assert everything(opened) == b""


def test_what_is_no_http_is_refused_in_one_line(managed: ManagedServer) -> None:
    for nonsense in (b"\x16\x03\x01" + b"\0" * 100, b"AMQP\0\0\x09\1", b"GET / HTTP/9\r\n\r\n", b"A" * 70_000):
        with socket.create_connection(("127.0.0.1", managed.http_port), 40) as opened:
            opened.sendall(nonsense + b"\r\n\r\n")
            assert everything(opened).startswith(b"HTTP/1.1 400 ")


def test_a_client_of_amqp_is_told_at_once_that_it_has_mistaken_the_port(managed: ManagedServer) -> None:
    for header in (b"AMQP\0\0\x09\1", b"AMQP\x03\1\0\0"):
        with socket.create_connection(("127.0.0.1", managed.http_port), 40) as opened:
            opened.sendall(header)
            assert everything(opened).endswith(b"\r\n\r\nthis port speaks HTTP: AMQP has another\n")


def test_more_connections_than_may_be_are_closed(own: ManagedServer) -> None:
    kept = [Http(own.http_port) for _ in range(3)]
    for http in kept:
        assert http("GET", SESSION).status == 200
    with socket.create_connection(("127.0.0.1", own.http_port), 40) as opened:
        assert everything(opened) == b""
    for http in kept:
        http.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second address of this machine")
def test_an_address_that_has_many_connections_makes_room_for_another(own: ManagedServer) -> None:
    kept = [Http(own.http_port) for _ in range(3)]
    for http in kept:
        assert http("GET", "/api/whoami").status == 200
    elsewhere = (("127.0.0.1", own.http_port), 40, ("127.0.0.2", 0))
    with closing(socket.create_connection(*elsewhere)) as opened:
        opened.sendall(b"GET /api/whoami HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n")
        assert opened.recv(12) == b"HTTP/1.1 200"
        with closing(socket.create_connection(*elsewhere)) as more:
            assert everything(more) == b"", "it would have as many as the other"
        assert everything(kept[0].connection.sock) == b""
        for http in kept[1:]:
            assert http("GET", "/api/whoami").status == 200
    for http in kept:
        http.close()


def test_who_has_not_logged_in_makes_room(own: ManagedServer) -> None:
    with Http(own.http_port) as first, Http(own.http_port) as second:
        for http in (first, second):
            assert http("GET", SESSION).status == 200
        with closing(socket.create_connection(("127.0.0.1", own.http_port), 40)) as half_open:
            half_open.sendall(b"GET / HTTP/1.1\r\n")
            with Http(own.http_port) as third:
                assert third("GET", SESSION).status == 200
                assert everything(half_open) == b""
        for http in (first, second):
            assert http("GET", SESSION).status == 200


def test_http_takes_half_of_all_connections(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = a_config(limits=LimitsConfig(connections=4))
    with ManagedServer(tmp_path / "data", config) as server, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(Http(server.http_port)).get("/api/whoami")
        with closing(socket.create_connection(("127.0.0.1", server.http_port), 40)) as opened:
            assert everything(opened) == b""
        for _ in range(2):
            stack.enter_context(closing(pika.BlockingConnection(pika.URLParameters(server.url))))
    assert "refused: there are 2 connections, the limit" in caplog.text


def test_a_path_prefix(make_own: Callable[[ManagementConfig], ManagedServer]) -> None:
    server = make_own(ManagementConfig(path_prefix="/mq"))
    with server.http() as http:
        assert http("GET", "/mq/api/baton/session").status == 200
        assert http("GET", "/api/baton/session").status == 404
        assert http("GET", "/mqx/api/baton/session").status == 404
