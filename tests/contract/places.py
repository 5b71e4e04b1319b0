"""Where the contract is held: each engine with something behind it that can be connected to more than once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pika
import pytest
from bench.brokers import Rabbit
from bench.failures import BenchError

from tests.support.broker import Broker

# The AMQP URL of a RabbitMQ 4 that runs already: systems install an older one, whose queues count otherwise.
RABBITMQ4 = "BATONMQ_TEST_RABBITMQ4"
# A node is up after 5 to 10 s; one that needs longer would be ended with the test that it is started for.
START = 45.0


OWNER = """
import sys
import batonmq
with batonmq.connect(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def file_of_another(folder: Path) -> Iterator[str]:
    """A file that another process has open all the time: this one, and the processes of the tests, are its guests."""
    path = str(folder / "queues.db")
    command = [sys.executable, "-c", OWNER, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"open\n"
        yield path
        assert owner.poll() is None, "the owner is gone: the tests were not about what they say"


@contextmanager
def batonmq_server(folder: Path) -> Iterator[str]:
    broker = Broker(folder)
    address = broker.start()
    try:
        yield f"amqp://guest:guest@127.0.0.1:{address.port}/"
    finally:
        broker.terminate()


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[str]:
    """A RabbitMQ node of our own, with everything that it writes in the folder; as the bench starts it."""
    if Rabbit.installed() is None:
        pytest.skip("rabbitmq-server is not installed")
    node = Rabbit(folder)
    try:
        try:
            node.start(within=START)
        except BenchError as error:
            pytest.skip(str(error))
        yield node.url
    finally:
        node.stop()


def running(variable: str) -> str:
    """The URL of a broker that runs already."""
    url = os.environ.get(variable)
    if url is None:
        pytest.skip(f"{variable} is not set: make engines sets it")
    return url


def running_rabbitmq4() -> str:
    url = os.environ.get(RABBITMQ4)
    if url is None:
        pytest.skip(f"{RABBITMQ4} names no RabbitMQ 4")
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        announced = connection._impl.server_properties
    assert (announced["product"], announced["version"][:2]) == ("RabbitMQ", "4."), f"{RABBITMQ4} is {announced}"
    return url
