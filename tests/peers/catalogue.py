"""Which brokers there are, and how a test gets one of its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest
from bench.failures import BenchError

from tests.peers.activemq import ActiveMQ
from tests.peers.artemis import Artemis
from tests.peers.cache import Unavailable
from tests.peers.kafka import Kafka
from tests.peers.peer import Peer
from tests.peers.qpid import Qpid
from tests.peers.rabbitmq import RabbitMQ4

__all__ = ["PEERS", "wanted"]

PEERS: dict[str, type[Peer]] = {kind.key: kind for kind in (RabbitMQ4, Artemis, ActiveMQ, Qpid, Kafka)}


@contextlib.contextmanager
def wanted(peer: Peer) -> Iterator[Peer]:
    """It runs, for a test that may kill it and start it again; skips the test where that is not wanted, or cannot be.

    Wanted is what its environment variable names a URL for: a start takes up to 10 s, too long for each run of all.
    """
    if not os.environ.get(peer.variable):
        pytest.skip(f"{peer.variable} is not set: make engines sets it")
    if reason := peer.missing():
        pytest.skip(f"a {peer.name} of the test's own: {reason}")
    peer.bind()
    try:
        peer.start()
    except (BenchError, Unavailable, OSError) as error:
        pytest.skip(f"a {peer.name} of the test's own: {error}")
    try:
        yield peer
    finally:
        peer.stop()
