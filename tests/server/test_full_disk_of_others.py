"""A full disk as clients of STOMP, AMQP 1.0 and a program meet it: told, drained, and left behind by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench.failures import BenchError
from bench.stomp_client import Client as Stomp
from proof.disk import Disk
from tests.support.waiting import until

import batonmq
from batonmq.testing import RunningServer

SOON = 30.0
# More than the log takes by itself.
CAPACITY = 64 << 20
FULL = re.compile("the disk is full")


@pytest.fixture
def server(disk: Disk, data: Path) -> Iterator[RunningServer]:
    with RunningServer(data) as server:
        yield server
        disk.is_full = False


def body_of(number: int) -> bytes:
    return f"{number}.".encode().ljust(100_000, b"x")


def fill(send: Callable[[bytes], None]) -> int:
    """Until it is refused twice, one after the other; how many were taken.

    After the first refusal the log may be written back, which makes room for some more.
    """
    count = refused = 0
    while refused < 2:
        assert count < 1_000, "the disk is never full"
        try:
            send(body_of(count))
        except (BenchError, batonmq.BatonError) as error:
            if not FULL.search(str(error)):
                raise
            refused += 1
        else:
            count += 1
            refused = 0
    return count


def again(send: Callable[[bytes], None]) -> None:
    """It is taken, soon: nobody but the clock has to do anything."""

    def is_taken() -> bool:
        try:
            send(b"again")
        except (BenchError, batonmq.BatonError):
            return False
        return True

    until(is_taken)


def test_stomp_is_told_drains_it_and_goes_on(disk: Disk, server: RunningServer) -> None:
    disk.capacity = CAPACITY
    queue = {"destination": "/queue/q"}

    def send(body: bytes) -> None:
        with Stomp(server.port) as client:
            client.send("SEND", {**queue, "persistent": "true", "receipt": "sent"}, body.decode())
            client.frame(b"RECEIPT")

    count = fill(send)
    with Stomp(server.port) as client:
        # What need not be kept is taken all the same.
        client.send("SEND", {"destination": "/queue/transient", "receipt": "sent"}, "transient")
        client.frame(b"RECEIPT")
        client.send("SUBSCRIBE", {**queue, "id": "1", "ack": "client-individual", "prefetch-count": "1"})
        for number in range(count):
            message = client.frame(b"MESSAGE")
            assert message.partition(b"\n\n")[2] == body_of(number)
            last = {"receipt": "settled"} if number == count - 1 else {}
            client.send("ACK", {"id": client.header(message, b"ack"), **last})
        client.frame(b"RECEIPT")
        client.send("UNSUBSCRIBE", {"id": "1", "receipt": "over"})
        client.frame(b"RECEIPT")
    again(send)


@pytest.mark.parametrize("way", ["amqp10", "file"])
def test_programs_are_told_drain_it_and_go_on(way: str, disk: Disk, data: Path, request: pytest.FixtureRequest) -> None:
    url = str(data / "queues.db")
    if way != "file":
        server: RunningServer = request.getfixturevalue("server")
        url = f"{way}://guest:guest@127.0.0.1:{server.port}"
    with batonmq.connect(url) as mq:
        mq.declare("q")
        disk.capacity = CAPACITY
        count = fill(lambda body: mq.send("q", body))
        assert count
        # Nothing of what was refused is there.
        assert mq.count("q") == count
        with mq.receiver("q", prefetch=1) as receiver:
            for number in range(count):
                (delivery,) = receiver.receive(wait=SOON)
                assert delivery.body == body_of(number)
                delivery.accept()
        again(lambda body: mq.send("q", body))
        assert mq.count("q") == 1
