"""Sending to Kafka where the client below takes no more: whoever waits is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from bench.brokers import free_ports
from confluent_kafka import KafkaError, KafkaException, Producer

from batonmq.engines.futures import Future, resolved
from batonmq.engines.kafka import publisher as module
from batonmq.engines.kafka.lanes import IN_FLIGHT
from batonmq.engines.kafka.names import Topic
from batonmq.engines.kafka.parameters import kafka_parameters
from batonmq.engines.kafka.publisher import Publisher
from batonmq.engines.messages import Message
from batonmq.errors import BatonError, Closed, ConnectionLost

SOON = 30.0


class Fatal(Producer):
    """The client's, which takes so many messages and calls the next one fatal."""

    takes: ClassVar[int] = 1
    made: ClassVar[list[Producer]] = []

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self._left = self.takes
        Fatal.made.append(self)

    def produce(self, *arguments: object, **named: object) -> None:
        if not self._left:
            raise KafkaException(KafkaError(KafkaError._FATAL, "out of order", fatal=True))
        self._left -= 1
        super().produce(*arguments, **named)  # type: ignore[arg-type]

    def produce_batch(self, topic: str, messages: list[dict[str, Any]], *more: Any, **named: Any) -> int:  # noqa: ANN401
        taken, refused = messages[: self._left], messages[self._left :]
        for one in refused:
            one["_error"] = KafkaError(KafkaError._FATAL, "Message failed: Fatal error")
        self._left -= len(taken)
        return super().produce_batch(topic, taken, *more, **named)


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """With nobody to send to."""
    monkeypatch.setattr(module, "Producer", Fatal)
    Fatal.made.clear()
    (port,) = free_ports(1)
    found = Publisher(kafka_parameters(f"kafka://127.0.0.1:{port}"), lambda _queue: resolved(Topic("topic", [0])))
    yield found
    found.close()


def failed(future: Future[None]) -> BaseException:
    assert future.wait(SOON), "whoever sends is not told"
    assert future.error is not None
    return future.error


def test_what_a_producer_had_when_it_was_replaced_is_told(publisher: Publisher) -> None:
    earlier = publisher.send("queue", [Message(b"1")])
    later = publisher.send("queue", [Message(b"2")])
    assert isinstance(failed(later), BatonError)
    # Its message was in the producer that is of no use any more.
    assert isinstance(failed(earlier), BatonError)
    assert len(Fatal.made) == 2


def test_a_send_that_is_taken_in_part_is_told(publisher: Publisher) -> None:
    assert isinstance(failed(publisher.send("queue", [Message(b"1"), Message(b"2"), Message(b"3")])), BatonError)
    assert len(Fatal.made) == 2


def test_a_send_with_headers_that_is_taken_in_part_is_told(publisher: Publisher) -> None:
    messages = [Message(b"%d" % number, headers={"a": 1}) for number in range(3)]
    assert isinstance(failed(publisher.send("queue", messages)), BatonError)
    assert len(Fatal.made) == 2


def test_a_producer_is_replaced_once(publisher: Publisher) -> None:
    gone = publisher.producer
    publisher.replace(gone)
    publisher.replace(gone)
    assert len(Fatal.made) == 2


def test_what_is_not_confirmed_at_the_end_is_told(publisher: Publisher) -> None:
    future = publisher.send("queue", [Message(b"1")])
    publisher.close()
    assert isinstance(failed(future), Closed)
    assert not any(one.name == "batonmq-kafka-confirms" for one in threading.enumerate())


def test_no_more_is_given_to_the_client_than_can_be_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    # A broker that never answers: what the client has is on its way, and the rest waits here.
    monkeypatch.setattr(Fatal, "takes", 1000)
    monkeypatch.setattr(module, "Producer", Fatal)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"kafka://127.0.0.1:{silent.getsockname()[1]}"
        found = Publisher(kafka_parameters(f"{url}?timeout=1"), lambda _queue: resolved(Topic("topic", [0, 1])))
        try:
            many = found.send("queue", [Message(b"%d" % number) for number in range(100)])
            one = found.send("queue", [Message(b"one")])
            assert len(found.producer) == IN_FLIGHT * 2
            with pytest.raises(ConnectionLost, match="may or may not have arrived"):
                raise failed(many)
            # Given up by its own time, and not a second after it came to the client.
            with pytest.raises(ConnectionLost, match=r"no answer within 1 s\): it may or may not have arrived"):
                raise failed(one)
        finally:
            found.close()
