"""The HTTP API with TLS: the certificate is verified by a real client, and the page's cookie goes over TLS alone."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.certificates import Certificates
from tests.support.managed import SECONDS, ManagedServer, a_config

from batonmq.server.config import ManagementConfig

SESSION = "/api/baton/session"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[ManagedServer]:
    config = a_config(tls=certificates.config(), management=ManagementConfig(tls_port=0))
    with ManagedServer(Path(tmp_path_factory.mktemp("data")), config) as server:
        yield server


def connect(server: ManagedServer, context: ssl.SSLContext) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection("127.0.0.1", server.ports["https"], timeout=SECONDS, context=context)


def test_a_session_over_tls_has_a_cookie_for_tls_alone(secure: ManagedServer, certificates: Certificates) -> None:
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    context.set_alpn_protocols(["h2", "http/1.1"])
    connection = connect(secure, context)
    body = json.dumps({"name": "guest", "password": "guest"})
    connection.request("POST", SESSION, body)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    assert "Secure" in str(answer.getheader("set-cookie")).split("; ")
    assert isinstance(connection.sock, ssl.SSLSocket)
    assert connection.sock.selected_alpn_protocol() == "http/1.1"
    connection.close()


def test_who_does_not_know_the_ca_does_not_connect(secure: ManagedServer) -> None:
    connection = connect(secure, ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", SESSION)
    connection.close()


def test_each_port_is_for_its_own(secure: ManagedServer, certificates: Certificates) -> None:
    with socket.create_connection(("127.0.0.1", secure.ports["https"]), SECONDS) as opened:
        opened.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert not opened.recv(1024).startswith(b"HTTP/")
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    with (
        socket.create_connection(("127.0.0.1", secure.http_port), SECONDS) as opened,
        pytest.raises(OSError, match=r"."),
    ):
        context.wrap_socket(opened, server_hostname="localhost")
    assert secure.http().get(SESSION)["user"] == "guest"
