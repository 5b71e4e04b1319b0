"""A broker that opens the connection, and closes it when it has looked at who it is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

import batonmq
from batonmq.protocols.amqp10.codec.constants import AMQP_HEADER, SASL_HEADER
from batonmq.protocols.amqp10.codec.encoder import frame, sasl_frame
from batonmq.protocols.amqp10.codec.performatives import Close, Error, Open, SaslMechanisms, SaslOutcome
from batonmq.protocols.amqp10.codec.values import Symbol
from tests.engines.amqp10.conftest import url_of

# The descriptor of the target that stands for transactions (part 4 §4.5.1).
COORDINATOR = b"\x00\x53\x30"
REFUSAL = Error(condition=Symbol("amqp:not-allowed"), description="no virtual host 'nowhere'")


def serve(listener: socket.socket) -> None:
    """One client, which is told what comes next as soon as it says anything."""
    opened = Open(container_id="late", properties={Symbol("product"): "Late"})
    with listener.accept()[0] as client:
        client.sendall(SASL_HEADER + sasl_frame(SaslMechanisms(sasl_server_mechanisms=[Symbol("PLAIN")])))
        client.recv(4096)
        client.sendall(sasl_frame(SaslOutcome(code=0)) + AMQP_HEADER + frame(0, opened))
        # The client waits for what comes now, as it has its answer to all that it has asked.
        seen = b""
        while COORDINATOR not in seen and (more := client.recv(4096)):
            seen += more
        client.sendall(frame(0, Close(error=REFUSAL)))
        while client.recv(4096):
            pass


@pytest.fixture
def late() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,))
        serving.start()
        yield listener.getsockname()[1]
        serving.join()


def test_who_is_refused_after_the_connection_was_opened_is_told_why(late: int) -> None:
    with pytest.raises(batonmq.ConnectionLost, match=r"cannot connect to .* no virtual host 'nowhere'"):
        batonmq.connect(url_of(late) + "nowhere").close()
