"""kombu over a file: what an application does with its connections, channels, producers and consumers."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import kombu
import pytest
from amqp.exceptions import ConsumerCancelled, NotFound, PreconditionFailed
from kombu.asynchronous.hub import Hub

import batonmq
from tests.support.waiting import until


def drain(connection: kombu.Connection, count: int, into: list[object]) -> None:
    while len(into) < count:
        connection.drain_events(timeout=30)


def assert_nothing_comes(connection: kombu.Connection) -> None:
    with pytest.raises(socket.timeout):
        connection.drain_events(timeout=0.05)


def test_what_is_sent_is_received_as_it_was(connection: kombu.Connection) -> None:
    queue = kombu.Queue("q", kombu.Exchange("e", "topic"), routing_key="a.#")
    got: list[kombu.Message] = []
    producer = connection.Producer()
    producer.publish(
        {"n": 1},
        exchange=queue.exchange,
        routing_key="a.b",
        declare=[queue],
        headers={"h": [1, None, {"x": "y"}], "t": (1, 2)},
        correlation_id="c",
        reply_to="r",
        priority=3,
        expiration=60,
    )
    with connection.Consumer(queue, on_message=got.append):
        drain(connection, 1, got)
        (message,) = got
        assert message.payload == {"n": 1}
        assert message.headers == {"h": [1, None, {"x": "y"}], "t": [1, 2]}
        assert message.properties["correlation_id"] == "c"
        assert message.properties["reply_to"] == "r"
        assert message.properties["priority"] == 3
        assert message.properties["expiration"] == "60000"
        assert message.delivery_info["exchange"] == "e"
        assert message.delivery_info["routing_key"] == "a.b"
        assert message.delivery_info["redelivered"] is False
        message.ack()
    assert queue(connection.default_channel).queue_declare(passive=True).message_count == 0


def test_other_programs_read_the_same_messages(connection: kombu.Connection, tmp_path: Path) -> None:
    connection.Producer().publish({"n": 1}, routing_key="q", declare=[kombu.Queue("q")])
    with batonmq.connect(tmp_path / "tasks.db") as mq, mq.receiver("q") as receiver:
        (delivery,) = receiver.receive(wait=30)
        assert delivery.message.json() == {"n": 1}
        assert delivery.message.content_type == "application/json"
        delivery.accept()


def test_no_more_is_handed_out_than_the_prefetch_count(connection: kombu.Connection) -> None:
    queues = [kombu.Queue(name) for name in ("a", "b")]
    for queue in queues:
        for number in range(5):
            connection.Producer().publish(number, routing_key=queue.name, declare=[queue])
    got: list[kombu.Message] = []
    with connection.Consumer(queues, on_message=got.append, prefetch_count=3):
        drain(connection, 3, got)
        assert_nothing_comes(connection)
        assert len(got) == 3
        got[0].ack()
        drain(connection, 4, got)
        assert_nothing_comes(connection)
        for message in got:
            if not message.acknowledged:
                message.ack()
        while len(got) < 10:
            connection.drain_events(timeout=30)
            got[-1].ack()


def test_the_urgent_comes_first_in_any_queue(connection: kombu.Connection) -> None:
    with connection.SimpleQueue("q") as queue:
        for priority in (0, 9, 5):
            queue.put(priority, priority=priority)
        with pytest.raises(TypeError, match="priority is a whole number, not 'high'"):
            queue.put(0, priority="high")
        taken = []
        for _ in range(3):
            message = queue.get(timeout=30)
            taken.append(message.payload)
            message.ack()
    assert taken == [9, 5, 0]


def test_a_task_with_an_eta_waits_for_it_in_the_queue(connection: kombu.Connection) -> None:
    queue = kombu.Queue("q")
    now = datetime.now(UTC)
    got: list[kombu.Message] = []
    publish = connection.Producer().publish
    publish("tomorrow", routing_key="q", declare=[queue], headers={"eta": (now + timedelta(days=1)).isoformat()})
    publish("now", routing_key="q", headers={"eta": (now - timedelta(days=1)).isoformat()})
    publish("whose?", routing_key="q", headers={"eta": "2999-01-01T00:00:00"})
    with connection.Consumer(queue, on_message=got.append, prefetch_count=10):
        drain(connection, 2, got)
        due = datetime.now(UTC) + timedelta(seconds=0.3)
        publish("later", routing_key="q", headers={"eta": due.isoformat()})
        drain(connection, 3, got)
        assert [message.payload for message in got] == ["now", "whose?", "later"]
        # What is kept back is worth nothing if it comes before its time: the worker would hold it again.
        assert datetime.now(UTC) >= due - timedelta(milliseconds=2)
        assert got[2].headers == {"eta": due.isoformat()}


def test_what_is_not_settled_comes_back_and_what_is_cancelled_stays(connection: kombu.Connection) -> None:
    queue = kombu.Queue("q")
    connection.Producer().publish(1, routing_key="q", declare=[queue])
    got: list[kombu.Message] = []
    channel = connection.channel()
    consumer = kombu.Consumer(channel, queue, on_message=got.append)
    consumer.consume()
    drain(connection, 1, got)
    consumer.cancel()
    # A worker that shuts down finishes what it has in hand.
    assert connection.default_channel.basic_get("q") is None
    channel.close()
    again = connection.default_channel.basic_get("q")
    assert again is not None
    assert again.payload == 1
    again.requeue()
    third = connection.default_channel.basic_get("q", no_ack=True)
    assert third.delivery_info["redelivered"] is True
    assert connection.default_channel.basic_get("q") is None


def test_rejected_messages_go_to_the_dead_letters(connection: kombu.Connection) -> None:
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    dead, queue = kombu.Queue("dead"), kombu.Queue("q", queue_arguments=arguments)
    connection.Producer().publish(1, routing_key="q", declare=[dead, queue])
    connection.default_channel.basic_get("q").reject()
    assert connection.default_channel.basic_get("dead").payload == 1


def test_a_queue_that_was_declared_without_priorities_is_used_as_it_is(
    connection: kombu.Connection, tmp_path: Path
) -> None:
    with batonmq.connect(tmp_path / "tasks.db") as mq:
        mq.declare("q")
        kombu.Queue("q")(connection.default_channel).declare()
        with pytest.raises(PreconditionFailed):
            kombu.Queue("q", max_priority=3)(connection.default_channel).declare()


def test_who_declares_a_queue_with_other_arguments_is_told_the_remedy(connection: kombu.Connection) -> None:
    channel = connection.default_channel
    kombu.Queue("q")(channel).declare()
    limited = kombu.Queue("q", queue_arguments={"x-delivery-limit": 3})(channel)
    with pytest.raises(PreconditionFailed, match=r"x-delivery-limit.*`batonmq queues delete q`"):
        limited.declare()
    channel.queue_delete("q")
    limited.declare()


def test_temporary_queues_go_with_their_consumer_and_others_with_nobody(connection: kombu.Connection) -> None:
    temporary, lasting = kombu.Queue("t", auto_delete=True), kombu.Queue("q")
    channel = connection.channel()
    with kombu.Consumer(channel, [temporary, lasting], on_message=print):
        pass
    look = connection.default_channel.queue_declare
    with pytest.raises(NotFound):
        look("t", passive=True)
    assert look("q", passive=True).message_count == 0


def test_a_reply_is_still_there_for_who_looks_again(connection: kombu.Connection) -> None:
    """The results of rpc:// are fetched with basic.get from a queue that nobody consumes from."""
    queue = kombu.Queue("replies", auto_delete=True)
    with connection.channel() as channel:
        queue(channel).declare()
        assert queue(channel).get() is None
    connection.Producer().publish(1, routing_key="replies")
    with connection.channel() as channel:
        message = queue(channel).get(no_ack=True)
        assert message.payload == 1


def test_who_consumes_from_a_queue_that_is_deleted_is_told(connection: kombu.Connection) -> None:
    queue = kombu.Queue("q")
    with connection.Consumer(queue, on_message=print):
        connection.default_channel.queue_delete("q")
        with pytest.raises(ConsumerCancelled):
            connection.drain_events(timeout=30)
    with pytest.raises(NotFound):
        connection.Producer().publish(1, exchange="none", routing_key="q")


def test_unroutable_messages_are_dropped_or_come_back(connection: kombu.Connection) -> None:
    exchange = kombu.Exchange("e", "direct")
    exchange(connection.default_channel).declare()
    returned: list[object] = []
    connection.Producer().publish(1, exchange=exchange, routing_key="nobody")

    def on_return(_error: object, _exchange: str, key: str, _message: object) -> None:
        returned.append(key)

    producer = connection.Producer(on_return=on_return)
    producer.publish(1, exchange=exchange, routing_key="nobody", mandatory=True)
    assert returned == ["nobody"]


def test_an_event_loop_delivers_and_other_threads_settle(connection: kombu.Connection) -> None:
    hub = Hub()
    got: list[object] = []

    def settle_elsewhere(message: kombu.Message) -> None:
        message.ack()
        got.append(message.payload)

    def settle(message: kombu.Message) -> None:
        threading.Thread(target=settle_elsewhere, args=(message,)).start()

    queue = kombu.Queue("q")
    with connection.Consumer(queue, on_message=settle, prefetch_count=1):
        connection.register_with_event_loop(hub)
        for number in range(5):
            connection.Producer().publish(number, routing_key="q")
        end = time.monotonic() + 30
        while len(got) < 5 and time.monotonic() < end:
            hub.run_once()
        assert got == [0, 1, 2, 3, 4]
        connection.transport.unregister_from_event_loop(connection.connection, hub)
        hub.close()


def test_an_error_of_the_application_loses_nothing(connection: kombu.Connection) -> None:
    queue = kombu.Queue("q")
    for number in range(3):
        connection.Producer().publish(number, routing_key="q", declare=[queue])
    got: list[object] = []

    def take(message: kombu.Message) -> None:
        got.append(message.payload)
        message.ack()
        if len(got) == 1:
            raise LookupError

    with connection.Consumer(queue, on_message=take):
        with pytest.raises(LookupError):
            connection.drain_events(timeout=30)
        drain(connection, 3, got)
    assert got == [0, 1, 2]


def test_nothing_is_left_of_a_connection_that_was_closed(url: str) -> None:
    before = set(threading.enumerate())
    with kombu.Connection(url) as connection, connection.Consumer(kombu.Queue("q"), on_message=print):
        assert_nothing_comes(connection)
    until(lambda: set(threading.enumerate()) <= before)
    # kombu opens it again for whoever uses it again.
    with connection:
        assert connection.default_channel.basic_get("q") is None


def test_a_url_says_which_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    absolute = f"batonmq:///{tmp_path}/tasks.db"
    for url in (absolute, "batonmq:///tasks.db", f"batonmq+file://{tmp_path}/tasks.db"):
        with kombu.Connection(url) as connection:
            connection.Producer().publish(1, routing_key="q", declare=[kombu.Queue("q")])
            assert connection.as_uri() == absolute
    with kombu.Connection(absolute) as connection:
        assert connection.default_channel.queue_declare("q", passive=True).message_count == 3
    for url in ("batonmq://", "batonmq:///", "batonmq:///folder/"):
        with kombu.Connection(url) as connection, pytest.raises(ValueError, match="for an absolute path"):
            connection.connect()
    with kombu.Connection("batonmq:////none/such/tasks.db") as connection:
        with pytest.raises(batonmq.StoreError, match="/none/such"):
            connection.connect()
        with pytest.raises(kombu.exceptions.OperationalError):
            connection.ensure_connection(max_retries=1, interval_start=0)
