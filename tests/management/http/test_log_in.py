"""Whose password is looked at: nobody's who has left."""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.managed import SECONDS, Http, ManagedServer
from tests.support.waiting import until

from batonmq.server import password_threads
from batonmq.server.password_threads import THREADS

CLIENTS = 8


def come(port: int, password: str) -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), SECONDS)
    proof = base64.b64encode(f"guest:{password}".encode()).decode()
    opened.sendall(f"GET /api/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {proof}\r\n\r\n".encode())
    return opened


def test_the_password_of_a_client_that_has_left_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    go_on = threading.Event()

    def verify(password: str, stored: str) -> bool:
        looked.append(password)
        go_on.wait(SECONDS)
        return False

    monkeypatch.setattr(password_threads, "verify_password", verify)
    with ManagedServer(tmp_path) as server:
        leaving = [come(server.http_port, f"left{number}") for number in range(CLIENTS)]
        # One that takes its time is looked at once more.
        until(lambda: len(set(looked)) == THREADS)
        begun = set(looked)
        for opened in leaving:
            opened.close()
        with Http(server.http_port, None) as nobody:
            # Whoever came before, and went, has been seen to go.
            assert nobody("GET", "/").status == 200
        with closing(come(server.http_port, "stays")) as staying:
            go_on.set()
            assert b" 401 " in staying.recv(65536)
        assert set(looked) - begun == {"stays"}
