"""SEND, and the headers of messages to and fro (STOMP 1.2 "SEND")."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from batonmq.broker import Permission, User
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
    driven.operations.vhost.publish(Message("", "q", properties, body), route.targets)
    driven.settle()


# ------------------------------------------------------------------ the frame


def test_s1_a_destination_is_a_must(client: Client) -> None:
    error = refused(client.do("SEND", {"receipt": "r"}, "m"), "Missing destination")
    assert error.text == "'SEND' must include a 'destination' header"
    assert error["receipt-id"] == "r"


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_s2_headers_of_the_application_are_passed_on(driven: Driven, version: str) -> None:
    client = Client(driven)
    client.connect(version)
    client.send(QUEUE, "m", colour="red", JMSXGroupID="g", Colour="blue", empty="")
    message = received(driven, version)
    assert message["colour"] == "red"
    assert message["Colour"] == "blue"
    assert message["JMSXGroupID"] == "g"
    assert message["empty"] == ""


def test_s2_what_belongs_to_the_frame_is_not_passed_on(client: Client, driven: Driven) -> None:
    client.do("BEGIN", {"transaction": "t"})
    client.send(
        QUEUE, "m", receipt="r", transaction="t", redelivered="true", subscription="s", ack="a", message_id="mine"
    )
    client.do("COMMIT", {"transaction": "t"})
    message = received(driven)
    assert message.get("receipt") is None
    assert message.get("transaction") is None
    assert message.get("ack") is None
    assert message["redelivered"] == "false"
    assert message["subscription"] == "1"
    assert message["message-id"] != "mine"


def test_s2_the_first_of_repeated_headers_counts(client: Client, driven: Driven) -> None:
    client.feed(b"SEND\ndestination:/queue/q\na:1\na:2\ndestination:/queue/other\n\nm\0")
    assert received(driven)["a"] == "1"


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("/exchange/none", "not_found"),
        ("/amq/queue/none", "not_found"),
        ("/nowhere/x", "Unknown destination"),
        ("/queue/a/b", "Invalid destination"),
        ("", "Invalid destination"),
    ],
)
def test_s3_what_cannot_be_sent_is_an_error_and_ends_the_connection(
    client: Client, destination: str, message: str
) -> None:
    assert refused(client.send(destination, "m", receipt="r"), message)["receipt-id"] == "r"
    assert client.has_ended()


def test_s3_who_may_not_write_is_refused(driven: Driven) -> None:
    driven.queue("q")
    client = Client(driven, users={"guest": ("guest", User("guest", frozenset(), {"/": Permission(write="")}))})
    client.connect()
    refused(client.send(QUEUE, "m"), "access_refused")
    assert driven.bodies() == []


def test_s3_a_queue_that_is_full_refuses(driven: Driven) -> None:
    driven.queue("q", x_max_length=1, x_overflow="reject-publish")
    client = Client(driven, settings("rabbitmq"))
    client.connect()
    assert only(client.send(QUEUE, "a", receipt="1"), "RECEIPT")["receipt-id"] == "1"
    assert refused(client.send(QUEUE, "b", receipt="2"), "Message refused")["receipt-id"] == "2"
    assert driven.bodies() == ["a"]


def test_s3_a_refusal_in_the_midst_of_many_names_the_one_that_was_refused(driven: Driven) -> None:
    driven.queue("q", x_max_length=2, x_overflow="reject-publish")
    client = Client(driven, settings("rabbitmq"))
    client.connect()
    data = b"".join(b"SEND\ndestination:/queue/q\nreceipt:%d\n\nm\0" % number for number in range(4))
    frames = client.feed(data)
    assert [frame["receipt-id"] for frame in frames if frame.command == "RECEIPT"] == ["0", "1"]
    assert [frame["receipt-id"] for frame in frames if frame.command == "ERROR"] == ["2", "3"]


def test_s4_an_unknown_transaction_is_an_error(client: Client, driven: Driven) -> None:
    driven.queue("q")
    refused(client.send(QUEUE, "m", transaction="t"), "Bad transaction")
    assert driven.bodies() == []


@pytest.mark.parametrize("length", [None, "0"])
def test_s5_an_empty_body_is_delivered(client: Client, driven: Driven, length: str | None) -> None:
    client.do("SEND", {"destination": QUEUE} | ({} if length is None else {"content-length": length}))
    message = received(driven)
    assert message.body == b""
    assert message["content-length"] == "0"


@pytest.mark.parametrize("body", [b"\0", b"a\0b\0", b"\0\n\0\n", bytes(range(256)), "\U0001f600".encode()])
def test_a_body_arrives_octet_by_octet(client: Client, driven: Driven, body: bytes) -> None:
    client.send(QUEUE, body)
    message = received(driven)
    assert message.body == body
    assert message["content-length"] == str(len(body))


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_header_names_and_values_arrive_as_they_were(driven: Driven, version: str) -> None:
    client = Client(driven)
    client.connect(version)
    client.do("SEND", {"destination": QUEUE, "a:b\\c\nd": " x:y\\z\nw ", "é": "ü%d%s", "%d": "%"})
    message = received(driven, version)
    assert message["a:b\\c\nd"] == " x:y\\z\nw "
    assert message["é"] == "ü%d%s"
    assert message["%d"] == "%"


def test_a_header_of_1_2_is_said_to_1_0_as_well_as_can_be(client: Client, driven: Driven) -> None:
    client.do("SEND", {"destination": QUEUE, "colon": "a:b", "line": "a\nb", "na:me": "not to be said"})
    message = received(driven, "1.0")
    assert message["colon"] == "a:b"
    assert message["line"] == "a b"
    assert "not to be said" not in message.headers.values()


def test_many_sends_in_one_piece_keep_their_order_and_headers(client: Client, driven: Driven) -> None:
    for number in range(200):
        client.put("SEND", {"destination": QUEUE, "kind": str(number // 50 % 2)}, str(number))
    reader = Client(driven)
    reader.connect()
    frames = reader.subscribe(QUEUE)
    assert bodies(frames) == [str(number) for number in range(200)]
    assert [frame["kind"] for frame in frames] == [str(number // 50 % 2) for number in range(200)]


# ------------------------------------------------------------------ what is declared


def test_a_queue_is_made_with_what_the_headers_say(client: Client, driven: Driven) -> None:
    client.do("SEND", {"destination": QUEUE, "x-max-length": "1"}, "a")
    client.do("SEND", {"destination": QUEUE, "x-max-length": "1"}, "b")
    queue = driven.operations.find_queue("q")
    assert queue.durable
    assert queue.arguments == {"x-max-length": LongLong(1)}
    assert driven.bodies() == ["b"]
    refused(client.do("SEND", {"destination": QUEUE, "x-max-length": "2"}), "precondition_failed")


def test_a_queue_that_was_deleted_is_made_again(client: Client, driven: Driven) -> None:
    client.send(QUEUE, "a")
    client.send(QUEUE, "b")
    driven.operations.delete_queue("q")
    client.send(QUEUE, "c")
    assert driven.bodies() == ["c"]


def test_a_topic_reaches_those_who_are_bound_now(client: Client, driven: Driven) -> None:
    client.send("/topic/t", "nobody")
    client.subscribe("/topic/t")
    assert bodies(client.send("/topic/t", "m")) == ["m"]
    client.do("UNSUBSCRIBE", {"id": "1"})
    assert client.send("/topic/t", "nobody", receipt="r")[0].command == "RECEIPT"


def test_an_exchange_is_reached_with_a_key_or_without(client: Client, driven: Driven) -> None:
    driven.queue("q")
    driven.operations.bind_queue("q", "amq.direct", "k", {})
    driven.operations.bind_queue("q", "amq.fanout", "", {})
    client.send("/exchange/amq.direct/k", "direct")
    client.send("/exchange/amq.direct/other", "nowhere")
    client.send("/exchange/amq.fanout", "fanout")
    assert driven.bodies() == ["direct", "fanout"]


def test_an_exchange_that_looks_at_headers_sees_those_of_the_frame(client: Client, driven: Driven) -> None:
    driven.queue("q")
    driven.operations.bind_queue("q", "amq.headers", "", {"colour": "red"})
    client.send("/exchange/amq.headers", "a", colour="red")
    client.send("/exchange/amq.headers", "b", colour="blue")
    assert driven.bodies() == ["a"]


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


# ------------------------------------------------------------------ time


def test_expires_is_a_moment(client: Client, driven: Driven) -> None:
    client.send(QUEUE, "m", expires=str(now(driven) + 5_000))
    driven.wait(4)
    reader = Client(driven)
    reader.connect()
    message = only(reader.subscribe(QUEUE, ack="client"), "MESSAGE")
    assert message["expires"] == str(now(driven) + 1_000)
    reader.lose()
    driven.wait(2)
    assert driven.bodies() == []


def test_expiration_is_a_time_to_live(client: Client, driven: Driven) -> None:
    client.send(QUEUE, "m", expiration="5000")
    client.send(QUEUE, "n")
    driven.wait(6)
    assert driven.bodies() == ["n"]


@pytest.mark.parametrize("expires", ["0", "-1"])
def test_expires_0_is_never(client: Client, driven: Driven, expires: str) -> None:
    client.send(QUEUE, "m", expires=expires)
    driven.wait(3_600)
    assert driven.bodies() == ["m"]


def test_what_has_expired_already_goes_to_the_dead_letters(client: Client, driven: Driven) -> None:
    driven.queue("dead")
    driven.queue("q", x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    client.send(QUEUE, "late", expires="1000")
    assert driven.bodies() == []
    assert driven.bodies("dead") == ["late"]


def test_who_waits_for_it_gets_what_has_just_expired(client: Client) -> None:
    # As with a time to live of 0 in AMQP: the sender's clock may be behind.
    client.subscribe(QUEUE)
    message = only(client.send(QUEUE, "late", expires="1000"), "MESSAGE")
    assert message.get("expires") is None


def test_each_message_of_the_same_headers_expires_by_the_same_moment(client: Client, driven: Driven) -> None:
    expires = str(now(driven) + 5_000)
    client.send(QUEUE, "a", expires=expires)
    driven.wait(3)
    client.send(QUEUE, "b", expires=expires)
    driven.wait(3)
    assert driven.bodies() == []


@pytest.mark.parametrize("header", ["expires", "expiration", "x-delay", "AMQ_SCHEDULED_DELAY"])
def test_a_time_is_a_number(client: Client, header: str) -> None:
    refused(client.do("SEND", {"destination": QUEUE, header: "soon"}, "m"), "Invalid header")


@pytest.mark.parametrize("header", ["expiration", "x-delay", "AMQ_SCHEDULED_DELAY"])
@pytest.mark.parametrize("text", ["-1", str(1 << 60)])
def test_a_time_has_its_bounds(client: Client, header: str, text: str) -> None:
    only(client.do("SEND", {"destination": QUEUE, header: text}, "m"), "ERROR")
    assert client.has_ended()


@pytest.mark.parametrize("header", ["AMQ_SCHEDULED_DELAY", "x-delay"])
def test_a_delay_is_waited_for(client: Client, driven: Driven, header: str) -> None:
    client.subscribe(QUEUE)
    assert client.do("SEND", {"destination": QUEUE, header: "5000"}, "m") == []
    assert bodies(client.wait(4)) == []
    (message,) = client.wait(2)
    assert message.body == b"m"
    assert message[header] == "5000"


@pytest.mark.parametrize("header", ["AMQ_SCHEDULED_TIME", "_AMQ_SCHED_DELIVERY", "x-deliver-at"])
def test_a_moment_of_delivery_is_waited_for(client: Client, driven: Driven, header: str) -> None:
    client.subscribe(QUEUE)
    assert client.do("SEND", {"destination": QUEUE, header: str(now(driven) + 5_000)}, "m") == []
    assert bodies(client.wait(4)) == []
    assert bodies(client.wait(2)) == ["m"]


def test_what_a_header_was_translated_to_is_not_shown(client: Client, driven: Driven) -> None:
    client.subscribe(QUEUE)
    client.do("SEND", {"destination": QUEUE, "AMQ_SCHEDULED_DELAY": "1000"}, "m")
    (message,) = client.wait(2)
    assert message.get("x-delay") is None


def test_a_delay_survives_a_restart(stored: Driven) -> None:
    client = Client(stored)
    client.connect()
    client.send(QUEUE, "first")
    client.do("SEND", {"destination": QUEUE, "AMQ_SCHEDULED_DELAY": "5000", "persistent": "true"}, "m")
    stored.crash()
    assert stored.bodies() == []
    stored.wait(6)
    assert stored.bodies() == ["m"]


def test_duplicates_are_known_by_artemis_header(client: Client, driven: Driven) -> None:
    driven.queue("q", x_deduplication_window=60_000)
    for body in "ab":
        client.do("SEND", {"destination": QUEUE, "_AMQ_DUPL_ID": "1"}, body)
    assert driven.bodies() == ["a"]


def test_groups_of_jms_are_kept_together(driven: Driven) -> None:
    driven.queue("q", x_group_header="JMSXGroupID")
    first, second = Client(driven), Client(driven)
    for reader in (first, second):
        reader.connect()
        reader.subscribe(QUEUE, ack="client-individual")
    sender = Client(driven)
    sender.connect()
    for number in range(4):
        sender.put("SEND", {"destination": QUEUE, "JMSXGroupID": "g"}, str(number))
    sender.read()
    assert sorted([bodies(first.read()), bodies(second.read())]) == [[], ["0", "1", "2", "3"]]


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
