"""A broker without share groups is told apart when a program connects, before anything is sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import batonmq
from batonmq.errors import UnsupportedFeature

pytest.importorskip("confluent_kafka")

API_VERSIONS = b"\0\x12"
# What is answered to that: no error, then number, first and last version of each request that it knows.
HEARTBEAT, OFFSETS = b"\0\x4c\0\0\0\x01\0", b"\0\x5a\0\0\0\x01\0"
METADATA = b"\0\x03\0\0\0\x0d\0"
NO_DELAY = b"\0\0\0\0"


def share_version(level: int) -> bytes:
    """The level that the cluster has been set to, among what comes after all that every broker answers."""
    finalized = b"\x02\x0eshare.version\0" + bytes([level]) + b"\0\x01\0"
    return b"\x01\x02" + bytes([len(finalized)]) + finalized


@contextmanager
def answering(features: bytes) -> Iterator[str]:
    """A broker that says what it can do, and lets anybody in; its URL."""

    def answer() -> None:
        accepted, _ = listening.accept()
        with accepted, accepted.makefile("rb") as asked:
            while head := asked.read(4):
                request = asked.read(int.from_bytes(head))
                # Of what else is asked before, it only counts that there is an answer.
                said = features if request[:2] == API_VERSIONS else b"\0"
                accepted.sendall((len(said) + 4).to_bytes(4) + request[4:8] + said)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"kafka://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            thread.join()


def test_a_broker_that_knows_no_share_groups() -> None:
    with (
        answering(b"\0\0" + b"\x02" + METADATA + NO_DELAY + b"\0") as url,
        pytest.raises(UnsupportedFeature, match=r"has no share groups: Kafka 4\.2 and later have them"),
    ):
        batonmq.connect(url)


@pytest.mark.parametrize("rest", [b"\0", share_version(0)], ids=["never set", "set to none"])
def test_a_broker_whose_share_groups_are_switched_off(rest: bytes) -> None:
    with (
        answering(b"\0\0" + b"\x04" + METADATA + HEARTBEAT + OFFSETS + NO_DELAY + rest) as url,
        pytest.raises(UnsupportedFeature, match=r"switched off .*share\.version is 0.*kafka-features\.sh upgrade"),
    ):
        batonmq.connect(url)
