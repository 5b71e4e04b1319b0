"""The queues that SUBSCRIBE makes: flags, arguments, durable subscriptions to topics."""

from __future__ import annotations

from contextlib import suppress

import pytest

from batonmq.broker.model.arguments import ARGUMENTS, Argument
from batonmq.fields import FieldValue, LongLong
from tests.support.driven import Driven
from tests.support.stomp import Client, bodies, connected, publish, queues, refused

QUEUE = "/queue/q"


def test_a_queue_is_made_durable_and_shared(client: Client, driven: Driven) -> None:
    client.subscribe(QUEUE)
    queue = queues(driven)["q"]
    assert (queue.durable, queue.exclusive, queue.auto_delete) == (True, False, False)


def test_a_queue_that_is_not_durable_is_the_connection_s_own(client: Client, driven: Driven) -> None:
    client.subscribe(QUEUE, durable="false")
    queue = queues(driven)["q"]
    assert (queue.durable, queue.exclusive, queue.auto_delete) == (False, True, True)
    client.lose()
    assert queues(driven) == {}


def test_auto_delete_and_exclusive(client: Client, driven: Driven) -> None:
    client.subscribe("/queue/a", "1", durable="false", exclusive="false", auto_delete="true")
    client.subscribe("/queue/b", "2", durable="true", exclusive="true", auto_delete="false")
    assert not queues(driven)["a"].exclusive
    assert queues(driven)["b"].exclusive
    client.do("UNSUBSCRIBE", {"id": "1"})
    client.do("UNSUBSCRIBE", {"id": "2"})
    assert sorted(queues(driven)) == ["b"]
    client.lose()
    assert queues(driven) == {}


def test_arguments_of_a_queue_are_those_of_amqp(client: Client, driven: Driven) -> None:
    table = {
        "destination": QUEUE,
        "id": "1",
        "x-message-ttl": "60000",
        "x-max-length": "10",
        "x-dead-letter-exchange": "amq.fanout",
        "x-dead-letter-routing-key": "dead",
        "x-max-priority": "5",
        "x-single-active-consumer": "true",
        "x-other": "no argument",
    }
    assert client.do("SUBSCRIBE", table) == []
    expected: dict[str, FieldValue] = {
        "x-message-ttl": LongLong(60_000),
        "x-max-length": LongLong(10),
        "x-dead-letter-exchange": "amq.fanout",
        "x-dead-letter-routing-key": "dead",
        "x-max-priority": LongLong(5),
        "x-single-active-consumer": True,
    }
    assert queues(driven)["q"].arguments == expected
    # An AMQP client that says the same finds the same queue.
    driven.operations.declare_queue("q", durable=True, arguments=expected)


def test_arguments_that_differ_are_refused(client: Client, driven: Driven) -> None:
    driven.queue("q", x_max_length=5)
    refused(client.do("SUBSCRIBE", {"destination": QUEUE, "id": "1", "x-max-length": "6"}), "precondition_failed")


@pytest.mark.parametrize("headers", [{"durable": "false"}, {"exclusive": "true"}, {"auto-delete": "true"}])
def test_flags_that_differ_are_refused(client: Client, driven: Driven, headers: dict[str, str]) -> None:
    driven.queue("q")
    refused(client.do("SUBSCRIBE", {"destination": QUEUE, "id": "1", **headers}), "precondition_failed")


def test_who_says_nothing_about_a_queue_takes_it_as_it_is(client: Client, driven: Driven) -> None:
    driven.queue("q", durable=False, x_max_length=5)
    publish(driven, "m")
    assert bodies(client.subscribe(QUEUE)) == ["m"]


def test_a_bad_argument_is_refused(client: Client, driven: Driven) -> None:
    refused(client.do("SUBSCRIBE", {"destination": QUEUE, "id": "1", "x-max-length": "ten"}), "Invalid header")
    assert queues(driven) == {}


def test_consumers_of_a_higher_priority_are_served_first(client: Client, driven: Driven) -> None:
    client.subscribe(QUEUE, "low")
    for number, header in enumerate(("x-priority", "activemq.priority", "consumer-priority"), 1):
        client.do("SUBSCRIBE", {"destination": QUEUE, "id": header, header: str(number)})
        publish(driven, "a", "b")
        assert [frame["subscription"] for frame in client.read()] == [header, header]


def test_activemq_exclusive_serves_one_consumer_at_a_time(driven: Driven) -> None:
    first, second = connected(driven), connected(driven)
    for client in (first, second):
        client.do("SUBSCRIBE", {"destination": QUEUE, "id": "1", "activemq.exclusive": "true"})
    publish(driven, "a", "b")
    driven.settle()
    assert bodies(first.read()) == ["a", "b"]
    assert second.read() == []
    first.lose()
    publish(driven, "c")
    assert bodies(second.read()) == ["c"]


def test_a_consumer_may_hold_messages_as_long_as_it_says(client: Client, driven: Driven) -> None:
    publish(driven, "m")
    table = {"destination": QUEUE, "id": "1", "ack": "client", "x-consumer-timeout": "60000"}
    assert bodies(client.do("SUBSCRIBE", table)) == ["m"]
    (consumer,) = queues(driven)["q"].consumers
    assert consumer.timeout == 60_000
    assert queues(driven)["q"].arguments == {}


@pytest.mark.parametrize("argument", ARGUMENTS.values(), ids=ARGUMENTS)
def test_a_text_is_read_as_what_the_argument_takes(argument: Argument) -> None:
    samples: dict[type, FieldValue] = {int: LongLong(1), float: 1.5, str: "text", bool: True}
    own = samples.pop(argument.kind)
    if argument.kind is float:
        # It takes whole numbers, too.
        del samples[int]
    for other in samples.values():
        with pytest.raises((ValueError, TypeError)):
            argument.check(other)
    with suppress(ValueError):
        # A text may still be none of those that there are.
        assert argument.check(own) == own


def test_an_argument_may_be_a_broken_number(client: Client, driven: Driven) -> None:
    table = {"destination": QUEUE, "id": "1", "x-retry-delay": "1000", "x-retry-backoff": "1.5"}
    assert client.do("SUBSCRIBE", table) == []
    assert queues(driven)["q"].arguments["x-retry-backoff"] == 1.5
    table = {"destination": "/queue/other", "id": "2", "x-retry-delay": "1000", "x-retry-backoff": "more"}
    refused(client.do("SUBSCRIBE", table), "Invalid header")


# ------------------------------------------------------------------ durable subscriptions to topics
def test_a_subscription_to_a_topic_ends_with_its_connection(driven: Driven) -> None:
    client = connected(driven)
    client.subscribe("/topic/t")
    client.lose()
    assert queues(driven) == {}


DURABLE = [{"durable": "true"}, {"persistent": "true"}]
NAMED = [{"activemq.subscriptionName": "n"}, {"durable-subscription-name": "n"}, {"durable-subscriber-name": "n"}]


@pytest.mark.parametrize("headers", [*DURABLE, *NAMED])
def test_a_durable_subscription_outlives_its_connection(stored: Driven, headers: dict[str, str]) -> None:
    client = Client(stored)
    client.connect(client_id="c")
    client.do("SUBSCRIBE", {"destination": "/topic/t", "id": "1", **headers})
    client.lose()
    sender = connected(stored)
    sender.send("/topic/t", "m", persistent="true")
    stored.crash()
    again = Client(stored)
    again.connect(client_id="c")
    table = {"destination": "/topic/t", "id": "1", **headers}
    assert bodies(again.do("SUBSCRIBE", table)) == ["m"]


@pytest.mark.parametrize("headers", [*DURABLE, *NAMED])
def test_a_durable_subscription_is_deleted_by_an_unsubscribe_that_says_so(
    driven: Driven, headers: dict[str, str]
) -> None:
    client = connected(driven)
    client.do("SUBSCRIBE", {"destination": "/topic/t", "id": "1", **headers})
    client.do("UNSUBSCRIBE", {"id": "1"})
    assert len(queues(driven)) == 1
    client.do("SUBSCRIBE", {"destination": "/topic/t", "id": "1", **headers})
    client.do("UNSUBSCRIBE", {"id": "1", **headers})
    assert queues(driven) == {}


def test_a_durable_subscription_of_a_name_is_deleted_without_being_subscribed_to(driven: Driven) -> None:
    client = Client(driven)
    client.connect(client_id="c")
    client.do("SUBSCRIBE", {"destination": "/topic/t", "id": "1", **NAMED[0]})
    client.do("UNSUBSCRIBE", {"id": "1"})
    assert client.do("UNSUBSCRIBE", {"id": "any", **NAMED[0]}) == []
    assert queues(driven) == {}
    refused(client.do("UNSUBSCRIBE", {"id": "any", **NAMED[0]}), "No subscription found")


def test_a_durable_subscription_is_shared_by_an_id_and_a_topic(driven: Driven) -> None:
    first, second, third = (connected(driven) for _ in range(3))
    first.subscribe("/topic/t", "1", durable="true", auto_delete="false")
    second.subscribe("/topic/t", "1", durable="true", auto_delete="false")
    third.subscribe("/topic/t", "2", durable="true", auto_delete="false")
    for body in "ab":
        first.put("SEND", {"destination": "/topic/t"}, body)
    assert len(bodies(first.read())) == 1
    assert len(bodies(second.read())) == 1
    assert bodies(third.read()) == ["a", "b"]


def test_a_durable_subscription_has_an_id(driven: Driven) -> None:
    client = connected(driven, "1.0")
    error = refused(client.subscribe("/topic/t", None, durable="true"), "Missing Header")
    assert error.text == "Header 'id' is required for durable subscriptions"


@pytest.mark.parametrize("headers", [{}, {"durable": "true"}])
def test_x_queue_name_names_the_queue_of_a_subscription(
    client: Client, driven: Driven, headers: dict[str, str]
) -> None:
    client.do("SUBSCRIBE", {"destination": "/topic/t", "id": "1", "x-queue-name": "named", **headers})
    assert sorted(queues(driven)) == ["named"]
    assert queues(driven)["named"].durable == bool(headers)


@pytest.mark.parametrize("header", ["x-queue-name", "activemq.subscriptionName", "durable-subscription-name"])
@pytest.mark.parametrize("name", ["x" * 256, "ü" * 128])
def test_a_name_has_at_most_255_octets(driven: Driven, header: str, name: str) -> None:
    client = Client(driven)
    client.connect()
    (error,) = client.do("SUBSCRIBE", {"destination": "/topic/a", "id": "1", "durable": "true", header: name})
    assert error.command == "ERROR"
    assert "255" in error.text
    assert all(len(queue.encode()) <= 255 for queue in driven.operations.vhost.queues)
