"""Headers of a message to and fro: between STOMP clients, from AMQP and to it; reply-to."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from batonmq.fields import FieldValue, LongLong, Timestamp
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.protocols.stomp import StompSettings
from tests.support.driven import Driven
from tests.support.stomp import Client, Frame, bodies, only, refused, settings

QUEUE = "/queue/q"


def now(driven: Driven) -> int:
    """Milliseconds of the epoch."""
    return int(driven.clock.time() * 1000)


def received(driven: Driven, version: str = "1.2", dialect: str = "spec") -> Frame:
    """The one message of `q`, as a client of that version gets it."""
    client = Client(driven, settings(dialect))
    client.connect(version)
    message = only(client.subscribe(QUEUE), "MESSAGE")
    client.lose()
    return message


def kept(driven: Driven, queue: str = "q") -> Message:
    """The first message of a queue, as the broker has it."""
    queued = driven.operations.find_queue(queue).get()
    assert queued is not None
    return queued.message


def publish(driven: Driven, properties: Properties, body: bytes = b"m") -> None:
    """As an AMQP client does, to `q`."""
    driven.queue("q")
    route = driven.operations.resolve("", "q")
    driven.operations.vhost.router.publish(Message("", "q", properties, body), route.targets)
    driven.settle()


# ------------------------------------------------------------------ headers to and fro


TEXTS = {
    "content-type": "text/plain",
    "content-encoding": "gzip",
    "correlation-id": "c-1",
    "amqp-message-id": "m-1",
    "type": "order",
    "app-id": "shop",
    "user-id": "guest",
    "timestamp": "1700000000000",
    "priority": "7",
    "persistent": "true",
    "expiration": "60000",
}


def test_headers_of_a_message_come_back(client: Client, driven: Driven) -> None:
    client.do("SEND", {"destination": QUEUE, **TEXTS}, "m")
    message = received(driven)
    assert {name: message.get(name) for name in TEXTS} == TEXTS


def test_headers_of_a_message_are_properties_of_amqp(client: Client, driven: Driven) -> None:
    client.do("SEND", {"destination": QUEUE, **TEXTS, "colour": "red", "size": "7"}, "m")
    properties = kept(driven).properties
    assert properties == Properties.make(
        content_type="text/plain",
        content_encoding="gzip",
        correlation_id="c-1",
        message_id="m-1",
        type="order",
        app_id="shop",
        user_id="guest",
        timestamp=1_700_000_000_000,
        priority=7,
        delivery_mode=2,
        expiration="60000",
        headers={"colour": "red", "size": "7"},
    )


def test_properties_of_an_amqp_message_are_headers(driven: Driven) -> None:
    properties = Properties.make(
        content_type="text/plain",
        content_encoding="gzip",
        correlation_id="c-1",
        message_id="m-1",
        type="order",
        app_id="shop",
        user_id="guest",
        timestamp=1_700_000_000,
        priority=7,
        delivery_mode=2,
        expiration="60000",
        reply_to="answers",
    )
    publish(driven, properties)
    message = received(driven)
    assert message["timestamp"] == "1700000000"
    assert message["reply-to"] == "/reply-queue/answers"
    assert message["expires"] == str(now(driven) + 60_000)
    assert {name: message.get(name) for name in TEXTS if name != "timestamp"} == {
        name: text for name, text in TEXTS.items() if name != "timestamp"
    }


def sent_on(driven: Driven, properties: Properties) -> Properties:
    """What an AMQP message's properties are after a STOMP client has read it and sent it on with all its headers."""
    publish(driven, properties)
    message = received(driven)
    client = Client(driven)
    client.connect()
    own = {"destination", "message-id", "subscription", "redelivered", "content-length", "expires"}
    client.do("SEND", {"destination": QUEUE} | {k: v for k, v in message.headers.items() if k not in own}, message.body)
    return kept(driven).properties


def test_an_amqp_message_that_is_read_and_sent_on_is_what_it_was(driven: Driven) -> None:
    properties = Properties.make(
        content_type="application/json",
        content_encoding="identity",
        correlation_id="é:\\\n",
        message_id="m",
        type="t",
        app_id="a",
        user_id="guest",
        timestamp=1_700_000_000,
        priority=0,
        delivery_mode=2,
        expiration="100000",
        reply_to="answers",
        headers={"text": "red", "empty": "", "a:b": "c:d\n", "x-retries": "3"},
    )
    assert sent_on(driven, properties) == properties


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (LongLong(-(1 << 40)), str(-(1 << 40))),
        (1.5, "1.5"),
        (Decimal("1.50"), "1.50"),
        (b"octets", "octets"),
    ],
)
def test_a_single_value_of_an_amqp_header_is_shown_as_text(driven: Driven, value: FieldValue, text: str) -> None:
    publish(driven, Properties.make(headers={"h": value}))
    assert received(driven)["h"] == text


def test_a_moment_in_an_amqp_header_is_shown(driven: Driven) -> None:
    publish(driven, Properties.make(headers={"at": Timestamp(1_700_000_000)}))
    assert received(driven)["at"] == "1700000000"


def test_a_datetime_in_an_amqp_header_is_shown_as_the_same_moment(driven: Driven) -> None:
    publish(driven, Properties.make(headers={"at": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)}))
    assert received(driven)["at"] == "1700000000"


@pytest.mark.parametrize("value", [None, {"a": 1}, [1, 2], b"\xff\xfe"])
def test_what_is_no_single_value_is_left_out(driven: Driven, value: FieldValue) -> None:
    publish(driven, Properties.make(headers={"h": value, "other": "shown"}))
    message = received(driven)
    assert message.get("h") is None
    assert message["other"] == "shown"


def test_headers_of_an_amqp_message_do_not_pass_for_the_frame_s(driven: Driven) -> None:
    names = ("destination", "message-id", "subscription", "content-length", "ack", "redelivered", "content-type")
    false: dict[str, FieldValue] = dict.fromkeys(names, "false")
    publish(driven, Properties.make(headers=false, content_type="a/b"))
    message = received(driven)
    assert message["destination"] == QUEUE
    assert message["subscription"] == "1"
    assert message["redelivered"] == "false"
    assert message["content-length"] == "1"
    assert message["content-type"] == "a/b"


def test_octets_of_amqp_that_are_no_utf_8_do_no_harm(driven: Driven) -> None:
    publish(driven, Properties.make(correlation_id=b"\xff\xfe".decode(errors="surrogateescape")))
    assert received(driven)["correlation-id"] == "��"


def test_what_is_too_long_for_a_property_is_a_header(client: Client, driven: Driven) -> None:
    client.do("SEND", {"destination": QUEUE, "correlation-id": 300 * "x"}, "m")
    assert received(driven)["correlation-id"] == 300 * "x"


def test_a_timestamp_that_is_no_number_is_passed_on(client: Client, driven: Driven) -> None:
    client.do("SEND", {"destination": QUEUE, "timestamp": "yesterday"}, "m")
    assert received(driven)["timestamp"] == "yesterday"


@pytest.mark.parametrize("priority", ["-1", "256", "high", ""])
def test_a_bad_priority_is_refused(client: Client, priority: str) -> None:
    refused(client.send(QUEUE, "m", priority=priority), "Invalid header")


def test_priority_counts_in_a_queue_that_has_some(client: Client, driven: Driven) -> None:
    driven.queue("q", x_max_priority=9)
    for priority in "159":
        client.send(QUEUE, priority, priority=priority)
    assert driven.bodies() == ["9", "5", "1"]


def test_a_user_id_is_the_sender_s_own(client: Client) -> None:
    refused(client.send(QUEUE, "m", user_id="somebody"), "precondition_failed")


@pytest.mark.parametrize(
    ("default", "header", "persistent"),
    [
        (None, None, False),
        (True, None, True),
        (False, None, False),
        (None, "true", True),
        (None, "True", True),
        (True, "false", False),
    ],
)
def test_persistent(driven: Driven, default: bool | None, header: str | None, persistent: bool) -> None:
    client = Client(driven, StompSettings(is_persistent=default))
    client.connect()
    client.do("SEND", {"destination": QUEUE} | ({} if header is None else {"persistent": header}), "m")
    message = received(driven)
    assert message.get("persistent") == ("true" if persistent else None)


# ------------------------------------------------------------------ reply-to


def test_an_answer_to_one_who_is_gone_does_not_end_the_connection(client: Client) -> None:
    assert only(client.send("/reply-queue/gone", "answer", receipt="r"), "RECEIPT")["receipt-id"] == "r"


def test_replies_to_a_temporary_queue_come_by_themselves(driven: Driven) -> None:
    asker, answerer = Client(driven), Client(driven)
    asker.connect()
    answerer.connect()
    answerer.subscribe("/queue/work")
    asker.send("/queue/work", "question", reply_to="/temp-queue/answers")
    question = only(answerer.read(), "MESSAGE")
    assert question["reply-to"].startswith("/reply-queue/")
    answerer.send(question["reply-to"], "answer")
    answer = only(asker.read(), "MESSAGE")
    assert answer.body == b"answer"
    assert answer["subscription"] == "/temp-queue/answers"
    asker.lose()
    assert sorted(driven.broker.vhosts["/"].queues) == ["work"]


def test_an_amqp_client_answers_to_the_name_in_reply_to(driven: Driven) -> None:
    asker = Client(driven)
    asker.connect()
    asker.send(QUEUE, "question", reply_to="/temp-queue/answers")
    name = kept(driven).properties.reply_to
    assert name is not None
    driven.publish("answer", queue=name)
    assert bodies(asker.read()) == ["answer"]


def test_a_stomp_client_answers_to_the_queue_that_an_amqp_client_names(driven: Driven) -> None:
    driven.queue("answers")
    publish(driven, Properties.make(reply_to="answers"))
    client = Client(driven)
    client.connect()
    client.send(only(client.subscribe(QUEUE), "MESSAGE")["reply-to"], "answer")
    assert driven.bodies("answers") == ["answer"]


@pytest.mark.parametrize("reply_to", ["/queue/answers", "queue://answers", "/topic/answers", "answers", "/queue/a%2Fb"])
def test_another_stomp_client_sees_a_reply_to_as_it_was(client: Client, driven: Driven, reply_to: str) -> None:
    client.send(QUEUE, "m", reply_to=reply_to)
    shown = received(driven)["reply-to"]
    assert shown in (reply_to, f"/reply-queue/{reply_to}")
    if reply_to.startswith(("/", "queue:")):
        assert shown == reply_to


def test_an_amqp_client_sees_the_name_of_the_queue(client: Client, driven: Driven) -> None:
    client.send(QUEUE, "m", reply_to="/queue/answers")
    assert kept(driven).properties.reply_to == "answers"


def test_temporary_queues_are_the_connection_s_own(driven: Driven) -> None:
    first, second = Client(driven), Client(driven)
    for client in (first, second):
        client.connect()
        client.subscribe("/temp-queue/t")
    assert bodies(first.send("/temp-queue/t", "m")) == ["m"]
    assert second.read() == []


def test_who_subscribes_to_the_replies_gets_them_once(client: Client, driven: Driven) -> None:
    client.send(QUEUE, "question", reply_to="/temp-queue/t")
    client.subscribe("/temp-queue/t", "mine")
    client.send(QUEUE, "question", reply_to="/temp-queue/t")
    assert [frame["subscription"] for frame in client.send("/temp-queue/t", "m")] == ["mine"]


def test_what_a_reply_to_began_cannot_be_unsubscribed(client: Client) -> None:
    client.send(QUEUE, "question", reply_to="/temp-queue/t")
    refused(client.do("UNSUBSCRIBE", {"id": "/temp-queue/t"}), "Invalid id")
