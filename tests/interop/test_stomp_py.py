"""stomp.py, the client of ActiveMQ's and RabbitMQ's users in Python, in each version of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
import stomp
from stomp.exception import ConnectFailedException

from tests.interop.stomp_client import WAIT, StompPy
from tests.support.broker import Broker
from tests.support.waiting import in_time

VERSIONS = (stomp.Connection10, stomp.Connection11, stomp.Connection12)
Open = Callable[..., StompPy]


@pytest.fixture
def ports(batonmq_process: Broker) -> dict[str, int]:
    return batonmq_process.ports


@pytest.fixture
def connect(ports: dict[str, int]) -> Iterator[Open]:
    """Opens connections that are closed with the test."""
    with ExitStack() as opened:

        def connect(kind: type[stomp.Connection11] = stomp.Connection12, **options: object) -> StompPy:
            return opened.enter_context(closing(StompPy(ports["stomp"], kind, **options).log_in()))

        yield connect


@pytest.mark.parametrize("kind", VERSIONS)
@pytest.mark.parametrize("door", ["stomp", "amqp"])
def test_it_sends_and_receives_at_either_port(
    ports: dict[str, int], door: str, kind: type[stomp.Connection11], queue: str
) -> None:
    with closing(StompPy(ports[door], kind).log_in()) as client:
        client.connection.subscribe(f"/queue/{queue}", id="1", ack="client")
        client.connection.send(f"/queue/{queue}", "grüße", headers={"persistent": "true"}, receipt="sent")
        message = client.message()
        assert message.body == "grüße"
        assert message.headers["destination"] == f"/queue/{queue}"
        assert client.receipt() == "sent"
        key = message.headers["ack" if kind is stomp.Connection12 else "message-id"]
        if kind is stomp.Connection11:
            client.connection.ack(key, "1", receipt="acked")
        else:
            client.connection.ack(key, receipt="acked")
        assert client.receipt() == "acked"


def test_what_is_not_acknowledged_goes_to_another(connect: Open, queue: str) -> None:
    first = connect()
    first.connection.subscribe(f"/queue/{queue}", id="1", ack="client-individual")
    first.connection.send(f"/queue/{queue}", "order")
    assert first.message().headers["redelivered"] == "false"
    first.close()
    second = connect()
    second.connection.subscribe(f"/queue/{queue}", id="1", ack="client-individual")
    assert second.message().headers["redelivered"] == "true"


def test_a_nack_gives_it_back(connect: Open, queue: str) -> None:
    client = connect()
    client.connection.subscribe(f"/queue/{queue}", id="1", ack="client-individual")
    client.connection.send(f"/queue/{queue}", "order")
    client.connection.nack(client.message().headers["ack"])
    again = client.message()
    assert again.headers["redelivered"] == "true"
    client.connection.ack(again.headers["ack"], receipt="done")
    assert client.receipt() == "done"
    assert client.nothing_came()


def test_a_transaction_is_all_or_nothing(connect: Open, queue: str) -> None:
    client = connect()
    client.connection.subscribe(f"/queue/{queue}", id="1")
    client.connection.begin("kept")
    client.connection.begin("dropped")
    for number in range(3):
        client.connection.send(f"/queue/{queue}", f"kept {number}", transaction="kept")
        client.connection.send(f"/queue/{queue}", f"dropped {number}", transaction="dropped")
    client.connection.abort("dropped", receipt="aborted")
    assert client.receipt() == "aborted"
    assert client.nothing_came()
    client.connection.commit("kept", receipt="committed")
    assert client.receipt() == "committed"
    assert [client.message().body for _ in range(3)] == [f"kept {number}" for number in range(3)]


def test_values_of_headers_are_escaped_to_and_fro(connect: Open, queue: str) -> None:
    client = connect()
    client.connection.subscribe(f"/queue/{queue}", id="1")
    # Names it sends as they are.
    odd = {"colon": "c:d\ne", "backslash": "\\e\rf", "empty": "", "ümlaut": "ß"}
    client.connection.send(f"/queue/{queue}", "x", headers=odd, content_type="text/plain")
    headers = client.message().headers
    assert {key: headers.get(key) for key in odd} == odd
    assert headers["content-type"] == "text/plain"


def test_a_topic_reaches_all_that_subscribe(connect: Open, name: str) -> None:
    subscribers = [connect(), connect()]
    for number, subscriber in enumerate(subscribers):
        subscriber.connection.subscribe(f"/topic/{name}.*", id=str(number), headers={"receipt": "subscribed"})
        assert subscriber.receipt() == "subscribed"
    connect().connection.send(f"/topic/{name}.paid", "news")
    assert [subscriber.message().body for subscriber in subscribers] == ["news", "news"]


def test_request_and_reply(connect: Open, queue: str) -> None:
    client, server = connect(), connect()
    server.connection.subscribe(f"/queue/{queue}", id="1")
    client.connection.send(
        f"/queue/{queue}", "2 + 3", headers={"reply-to": "/temp-queue/answers", "correlation-id": "7"}
    )
    question = server.message()
    answer_to = {"correlation-id": question.headers["correlation-id"]}
    server.connection.send(question.headers["reply-to"], "5", headers=answer_to)
    answer = client.message()
    assert (answer.body, answer.headers["correlation-id"]) == ("5", "7")
    assert answer.headers["subscription"] == "/temp-queue/answers"


def test_a_selector_chooses(connect: Open, queue: str) -> None:
    client = connect()
    client.connection.subscribe(f"/queue/{queue}", id="1", headers={"selector": "amount > 100"})
    for amount in (5, 500):
        client.connection.send(f"/queue/{queue}", str(amount), headers={"amount": amount})
    assert client.message().body == "500"


def test_heart_beats_keep_a_silent_connection(connect: Open, queue: str) -> None:
    def kept(seconds: int) -> None:
        client = connect(heartbeats=(1000 * seconds, 1000 * seconds))
        client.connection.subscribe(f"/queue/{queue}", id="1", ack="client")
        # The delay is longer than the silence after which either side would give up the other.
        client.connection.send(f"/queue/{queue}", "late", headers={"x-delay": str(3500 * seconds)})
        assert client.message(3.5 * seconds + WAIT).body == "late"
        assert client.connection.is_connected()

    in_time(kept, 1, 10)


def test_a_wrong_password_is_told(ports: dict[str, int]) -> None:
    client = StompPy(ports["stomp"])
    with pytest.raises(ConnectFailedException):
        client.log_in(password="wrong")
    assert client.error().headers["message"] == "Bad CONNECT"


def test_an_error_says_what_is_wrong(connect: Open, queue: str) -> None:
    client = connect()
    client.connection.subscribe(f"/queue/{queue}", id="1", headers={"selector": "amount >"})
    error = client.error()
    assert "selector" in (error.headers["message"] + error.body).lower()


def test_a_large_body_comes_whole(connect: Open, queue: str) -> None:
    client = connect(auto_decode=False)
    client.connection.subscribe(f"/queue/{queue}", id="1")
    body = bytes(range(256)) * 20_000
    client.connection.send(f"/queue/{queue}", body)
    assert client.message().body == body


def test_a_persistent_message_with_its_receipt_survives_a_kill(own_broker: Broker, name: str) -> None:
    with closing(StompPy(own_broker.ports["stomp"]).log_in()) as client:
        for number in range(20):
            client.connection.send(f"/queue/{name}", str(number), headers={"persistent": "true"}, receipt=str(number))
        assert [client.receipt() for _ in range(20)] == [str(number) for number in range(20)]
        own_broker.kill()
    own_broker.start()
    with closing(StompPy(own_broker.ports["stomp"]).log_in()) as client:
        client.connection.subscribe(f"/queue/{name}", id="1")
        assert [client.message().body for _ in range(20)] == [str(number) for number in range(20)]
