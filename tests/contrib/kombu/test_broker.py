"""kombu with a broker of BatonMQ's, by the same scheme."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import kombu
import pytest

import batonmq.contrib.kombu as registered
from tests.support.waiting import in_time
from tests.support.wire import Address


@pytest.fixture
def connection(amqp: Address) -> Iterator[kombu.Connection]:
    assert registered.SERIALIZER
    with kombu.Connection(amqp.url.replace("amqp:", "batonmq:") + "/") as connection:
        yield connection


@pytest.fixture
def queue(connection: kombu.Connection) -> Iterator[kombu.Queue]:
    queue = kombu.Queue(f"t-{uuid.uuid4().hex}")(connection.default_channel)
    queue.declare()
    yield queue
    queue.delete()


def test_a_url_with_a_host_is_that_broker(connection: kombu.Connection, queue: kombu.Queue) -> None:
    connection.Producer().publish({"n": 1}, routing_key=queue.name)
    # It was confirmed: so it is there.
    message = queue.get()
    assert message.payload == {"n": 1}
    message.ack()
    assert connection.transport.driver_name == "py-amqp"
    assert connection.connection.confirm_publish
    assert connection.as_uri().startswith("batonmq://guest:**@")


def test_a_task_with_an_eta_waits_for_it_in_the_queue(connection: kombu.Connection, queue: kombu.Queue) -> None:
    def waits(milliseconds: int) -> None:
        due = datetime.now(UTC) + timedelta(milliseconds=milliseconds)
        connection.Producer().publish("later", routing_key=queue.name, headers={"eta": due.isoformat()})
        assert queue.get(no_ack=True) is None
        got: list[kombu.Message] = []
        with connection.Consumer(queue, on_message=got.append, no_ack=True):
            connection.drain_events(timeout=30)
        assert datetime.now(UTC) >= due - timedelta(milliseconds=2)
        assert got[0].headers == {"eta": due.isoformat()}

    in_time(waits, 500, 10_000)
