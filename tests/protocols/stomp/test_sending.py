"""SEND, and the headers of messages to and fro (STOMP 1.2 "SEND")."""

from __future__ import annotations

import pytest

from batonmq.broker import Permission, User
from batonmq.fields import LongLong
from tests.support.driven import Driven
from tests.support.stomp import Client, Frame, bodies, only, refused, settings

QUEUE = "/queue/q"


def received(driven: Driven, version: str = "1.2", dialect: str = "spec") -> Frame:
    """The one message of `q`, as a client of that version gets it."""
    client = Client(driven, settings(dialect))
    client.connect(version)
    message = only(client.subscribe(QUEUE), "MESSAGE")
    client.lose()
    return message


# ------------------------------------------------------------------ the frame


def test_s1_a_destination_is_a_must(client: Client) -> None:
    error = refused(client.do("SEND", {"receipt": "r"}, "m"), "Missing destination")
    assert error.text == "\"SEND\" must include a 'destination' header"
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


def frames_of(*sends: tuple[str, str, str]) -> bytes:
    """SENDs in one piece: destination, a header that differs, body; the body is the receipt too."""
    parts = [f"SEND\ndestination:{to}\n{header}\nreceipt:{body}\n\n{body}\0" for to, header, body in sends]
    return "".join(parts).encode()


def test_sends_with_headers_of_their_own_go_where_each_is_meant_to_go(client: Client, driven: Driven) -> None:
    sends = [(f"/queue/{'pqq'[number % 3]}", f"correlation-id:{number}", str(number)) for number in range(30)]
    sends[10] = ("/queue/q", "priority:1", "10")
    sends[20] = ("/topic/nobody", "correlation-id:20", "20")
    client.send("/queue/p")
    client.send("/queue/q")
    driven.operations.purge_queue("p")
    driven.operations.purge_queue("q")
    receipts = [frame["receipt-id"] for frame in client.feed(frames_of(*sends))]
    assert sorted(receipts, key=int) == [str(number) for number in range(30)]
    reader = Client(driven)
    reader.connect()
    for ident, name in enumerate("pq"):
        found = [(frame.text, frame.get("correlation-id")) for frame in reader.subscribe(f"/queue/{name}", str(ident))]
        expected = [(body, header.removeprefix("correlation-id:")) for to, header, body in sends if to[-1] == name]
        assert found == [(body, None if body == "10" else ident) for body, ident in expected]


def test_what_is_wrong_with_one_of_many_is_told_when_those_before_it_are_sent(client: Client, driven: Driven) -> None:
    client.send(QUEUE, "first")
    sends = [(QUEUE, f"correlation-id:{number}", str(number)) for number in range(4)]
    sends[2] = (QUEUE, "priority:many", "2")
    frames = client.feed(frames_of(*sends))
    assert [(frame.command, frame.get("receipt-id")) for frame in frames] == [
        ("RECEIPT", "0"),
        ("RECEIPT", "1"),
        ("ERROR", "2"),
    ]
    assert driven.bodies() == ["first", "0", "1"]


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
    client.send(QUEUE, "b", kind="another")
    driven.operations.delete_queue("q")
    client.send(QUEUE, "c")
    client.send(QUEUE, "d", kind="a third")
    assert driven.bodies() == ["c", "d"]


@pytest.mark.parametrize("header", ["x-max-length:2", "durable:false", "auto-delete:true", "exclusive:true"])
def test_what_headers_say_of_a_queue_is_compared_however_often_it_was_sent_to(
    client: Client, driven: Driven, header: str
) -> None:
    client.feed(frames_of(*[(QUEUE, f"correlation-id:{number}", str(number)) for number in range(3)]))
    refused(client.feed(frames_of((QUEUE, header, "3"))), "precondition_failed")
    assert driven.bodies() == ["0", "1", "2"]


def test_a_bare_name_may_be_a_queue_or_an_address_of_a_topic(driven: Driven) -> None:
    client = Client(driven, settings("artemis"))
    client.connect()
    client.subscribe("/topic/news")
    client.feed(frames_of(("news", "destination-type:ANYCAST", "a"), ("news", "kind:2", "b")))
    assert bodies(client.feed(frames_of(("news", "destination-type:MULTICAST", "c")))) == ["c"]
    assert driven.bodies("news") == ["a", "b"]


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


@pytest.mark.parametrize("dialect", ["spec", "rabbitmq", "activemq", "artemis"])
def test_messages_that_differ_in_their_correlation_id_have_all_else_alike(driven: Driven, dialect: str) -> None:
    client = Client(driven, settings(dialect))
    client.connect()
    for lines in ("{}", "{}\npersistent:true\npriority:7\ncolour:red", "{}\nreply-to:/queue/answers"):
        frames = [(QUEUE, lines.format(f"correlation-id:{number}"), str(number)) for number in range(3)]
        # The last by the usual way: its id is no plain text.
        client.feed(frames_of(*frames, (QUEUE, lines.format("correlation-id:\u00fc"), "3")))
        reader = Client(driven, settings(dialect))
        reader.connect()
        found = [frame for frame in reader.subscribe(QUEUE, ack="auto") if frame.command == "MESSAGE"]
        reader.lose()
        assert [frame["correlation-id"] for frame in found] == ["0", "1", "2", "\u00fc"]
        names = {"correlation-id", "message-id", "timestamp", "timestamp_in_ms", "content-length"}
        alike = [{name: value for name, value in frame.headers.items() if name not in names} for frame in found]
        assert alike == [alike[-1]] * 4


def test_a_route_that_changes_is_seen_whatever_the_correlation_id(client: Client, driven: Driven) -> None:
    client.feed(frames_of(*[(QUEUE, f"correlation-id:{number}", str(number)) for number in range(3)]))
    driven.operations.delete_queue("q")
    client.feed(frames_of(*[(QUEUE, f"correlation-id:{number}", str(number)) for number in range(3, 6)]))
    assert driven.bodies() == ["3", "4", "5"]
