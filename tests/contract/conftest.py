"""Each test of the contract runs once for each engine."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from batonmq.testing.contract import Place
from batonmq.testing.contract.fixtures import mq, otherwise, queue
from tests.contract.exceptions import exceptions_of
from tests.contract.places import (
    RABBITMQ4,
    batonmq_server,
    file_of_another,
    rabbitmq_server,
    running,
    running_rabbitmq4,
)

__all__ = ["ENGINES", "mq", "otherwise", "queue"]

# What every run of the suite has; `make engines`, which comes after it, leaves it out.
EVERYWHERE = ("file", "shared", "memory", "served", "served10", "rabbitmq")
# The others, each with the variable that names a broker that runs: `make engines` sets them.
NAMED = {
    "rabbitmq4": RABBITMQ4,
    "rabbitmq10": RABBITMQ4,
    "artemis": "BATONMQ_TEST_ARTEMIS",
    "activemq": "BATONMQ_TEST_ACTIVEMQ",
    "qpid": "BATONMQ_TEST_QPID",
    "kafka": "BATONMQ_TEST_KAFKA",
}
# Those that take part: fifteen hundred cases that nothing is there for are not even collected.
ENGINES = (
    *(() if os.environ.get("BATONMQ_TEST_NAMED_ONLY") else EVERYWHERE),
    *(engine for engine, variable in NAMED.items() if os.environ.get(variable)),
)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with batonmq_server(tmp_path_factory.mktemp("served")) as url:
        yield url


@pytest.fixture(scope="session")
def served10(served: str) -> str:
    return served.replace("amqp://", "amqp10://", 1)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with file_of_another(tmp_path_factory.mktemp("shared")) as url:
        yield url


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with rabbitmq_server(tmp_path_factory.mktemp("rabbitmq")) as url:
        yield url


@pytest.fixture(scope="session")
def rabbitmq4() -> str:
    return running_rabbitmq4()


@pytest.fixture(scope="session")
def rabbitmq10(rabbitmq4: str) -> str:
    """The same broker over AMQP 1.0."""
    return rabbitmq4.replace("amqp", "amqp10", 1)


@pytest.fixture(scope="session")
def artemis() -> str:
    return running(NAMED["artemis"])


@pytest.fixture(scope="session")
def activemq() -> str:
    return running(NAMED["activemq"])


@pytest.fixture(scope="session")
def qpid() -> str:
    return running(NAMED["qpid"])


@pytest.fixture(scope="session")
def kafka() -> str:
    return running(NAMED["kafka"])


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    kind = request.param
    otherwise = exceptions_of(kind)
    if kind == "file":
        found = Place(str(tmp_path / "queues.db"), survives=True, otherwise=otherwise)
    elif kind == "memory":
        found = Place(f"memory:{uuid.uuid4().hex}", survives=False, shared=False, otherwise=otherwise)
    else:
        found = Place(request.getfixturevalue(kind), survives=True, otherwise=otherwise)
    with found:
        yield found
