"""Listening: every address of a host, and errors that say what is wrong."""

from __future__ import annotations

import re
import socket

import pytest

from batonmq.server.config_tables import GivenPort
from batonmq.server.failures import StartError
from batonmq.server.listeners import listen, raise_descriptor_limit


def test_port_0_is_one_port_for_all_addresses() -> None:
    sockets = listen("", 0, 16)
    try:
        assert len({opened.getsockname()[1] for opened in sockets}) == 1
        assert sockets[0].getsockname()[1] > 0
    finally:
        for opened in sockets:
            opened.close()


def test_a_taken_port_is_an_error_in_words() -> None:
    (taken,) = listen("127.0.0.1", 0, 16)
    port = taken.getsockname()[1]
    expected = f"port {port} on 127.0.0.1 is in use by another program; --port chooses another"
    with taken, pytest.raises(StartError, match=f"^{re.escape(expected)}$"):
        listen("127.0.0.1", port, 16)


def test_a_port_that_was_just_left_can_be_taken_again() -> None:
    (first,) = listen("127.0.0.1", 0, 16)
    address = first.getsockname()
    first.setblocking(True)
    client = socket.create_connection(address)
    accepted, _ = first.accept()
    # The side that closes first keeps the port in TIME_WAIT.
    accepted.close()
    client.close()
    first.close()
    (second,) = listen(address[0], address[1], 16)
    second.close()


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_an_error_in_words(host: str) -> None:
    with pytest.raises(StartError, match=f"^cannot listen on {host}"):
        listen(host, 0, 16)


def test_as_many_files_may_be_open_as_the_system_allows() -> None:
    resource = pytest.importorskip("resource")
    limit = raise_descriptor_limit()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard
    assert limit is None or limit < soft


def test_a_port_of_the_command_line_is_listened_on() -> None:
    (opened,) = listen("127.0.0.1", GivenPort(0), 1)
    with opened:
        assert opened.getsockname()[1] > 0
