"""RECEIPT, ERROR, DISCONNECT and the end of a connection (STOMP 1.2 "RECEIPT", "ERROR", "DISCONNECT")."""

from __future__ import annotations

from pathlib import Path

import pytest

from batonmq.broker import Operations
from tests.support.driven import Driven
from tests.support.stomp import Client, bodies, only, refused, settings
from tests.support.timed import Timed

QUEUE = "/queue/q"
PERSISTENT = {"destination": QUEUE, "persistent": "true"}


def connected(driven: Driven, dialect: str = "spec", version: str = "1.2") -> Client:
    """A client, and the queue `q` on the disk."""
    driven.queue("q")
    driven.settle()
    client = Client(driven, settings(dialect))
    client.connect(version)
    return client


def answer(client: Client, data: bytes) -> bytes:
    """The octets of what the server says to some octets."""
    client.raw = b""
    client.feed(data)
    return client.raw


def frames_of(message: str, subscription: str) -> list[tuple[str, dict[str, str]]]:
    """Each frame that may have a receipt, in an order in which all of them succeed."""
    return [
        ("SEND", {"destination": QUEUE}),
        ("BEGIN", {"transaction": "t"}),
        ("ABORT", {"transaction": "t"}),
        ("BEGIN", {"transaction": "t"}),
        ("COMMIT", {"transaction": "t"}),
        ("SUBSCRIBE", {"destination": "/queue/other", "id": "2"}),
        ("UNSUBSCRIBE", {"id": "2"}),
        ("NACK", {"id": message.format(1), "subscription": subscription, "requeue": "false"}),
        ("ACK", {"id": message.format(2), "subscription": subscription}),
        ("DISCONNECT", {}),
    ]


# ------------------------------------------------------------------ RECEIPT


def test_x1_every_frame_may_have_a_receipt(driven: Driven) -> None:
    client = connected(driven)
    driven.publish("a")
    driven.publish("b")
    messages = client.subscribe(QUEUE, ack="client-individual", prefetch_count="2")
    prefix = messages[0]["ack"].removesuffix("1")
    for number, (command, headers) in enumerate(frames_of(prefix + "{}", "1")):
        if command == "DISCONNECT":
            client.do("UNSUBSCRIBE", {"id": "1"})
        receipt = [frame for frame in client.do(command, {**headers, "receipt": f"r:{number}"}) if not frame.body]
        found = [frame for frame in receipt if frame.command == "RECEIPT"]
        assert [frame["receipt-id"] for frame in found] == [f"r:{number}"], command
        assert found[0].body == b""


OCTETS = b"caf\xe9 \xff\xfe"


def test_x1_in_10_a_receipt_comes_back_octet_by_octet(driven: Driven) -> None:
    client = connected(driven, version="1.0")
    for frame in (b"SEND\ndestination:/queue/a\nreceipt:%b\n\nm\0", b"BEGIN\ntransaction:t\nreceipt:%b\n\n\0"):
        assert b"RECEIPT\nreceipt-id:%b\n\n\0" % OCTETS in answer(client, frame % OCTETS)


def test_x1_in_10_an_error_names_the_receipt_octet_by_octet(driven: Driven) -> None:
    client = connected(driven, version="1.0")
    found = answer(client, b"COMMIT\ntransaction:%b\nreceipt:%b\n\n\0" % (OCTETS, OCTETS))
    assert b"\nreceipt-id:%b\n" % OCTETS in found
    assert b'Invalid transaction identifier: "%b"' % OCTETS in found


def test_in_10_a_message_names_destination_and_subscription_octet_by_octet(driven: Driven) -> None:
    client = connected(driven, version="1.0")
    names = b"destination:/queue/%b\n" % OCTETS
    answer(client, b"SEND\n%bown:%b\n\nm\0" % (names, OCTETS))
    found = answer(client, b"SUBSCRIBE\n%bid:%b\n\n\0" % (names, OCTETS))
    for header in (names, b"subscription:%b\n" % OCTETS, b"own:%b\n" % OCTETS):
        assert header in found


def test_x1_no_receipt_is_sent_that_was_not_asked_for(driven: Driven) -> None:
    client = connected(driven)
    assert client.send(QUEUE, "m") == []
    assert client.subscribe("/queue/other") == []
    assert client.do("UNSUBSCRIBE", {"id": "1"}) == []
    assert client.do("DISCONNECT") == []


def test_x1_the_receipt_of_a_subscribe_comes_before_its_messages(driven: Driven) -> None:
    client = connected(driven)
    driven.publish("m")
    assert [frame.command for frame in client.subscribe(QUEUE, receipt="r")] == ["RECEIPT", "MESSAGE"]


def test_x2_receipts_of_what_is_not_stored_do_not_wait_for_the_store(stored: Driven) -> None:
    client = connected(stored)
    client.put("SEND", {**PERSISTENT, "receipt": "stored"}, "m")
    client.put("SEND", {"destination": QUEUE, "receipt": "in memory"}, "m")
    stored.broker.end_turn()
    assert [frame["receipt-id"] for frame in client.take()] == ["in memory"]
    assert [frame["receipt-id"] for frame in client.read()] == ["stored"]


# ------------------------------------------------------------------ durable


def test_x3_the_receipt_of_a_persistent_send_comes_after_the_commit(stored: Driven) -> None:
    client = connected(stored)
    client.put("SEND", {**PERSISTENT, "receipt": "r"}, "m")
    stored.broker.end_turn()
    assert client.take() == []
    store = stored.broker.store
    store.stage()
    assert client.take() == []
    store.commit()
    assert client.take() == []
    stored.broker.commit_done(None)
    assert only(client.take(), "RECEIPT")["receipt-id"] == "r"
    stored.crash()
    assert stored.bodies() == ["m"]


def test_x3_each_commit_answers_for_what_is_in_it(stored: Driven) -> None:
    client = connected(stored)
    stored.slow_commits = True
    client.put("SEND", {**PERSISTENT, "receipt": "1"}, "m")
    stored.turn()
    # The store is at work on the first when the second comes.
    client.put("SEND", {**PERSISTENT, "receipt": "2"}, "m")
    stored.turn()
    assert client.take() == []
    stored.turn()
    assert [frame["receipt-id"] for frame in client.take()] == ["1"]
    assert [frame["receipt-id"] for frame in client.read()] == ["2"]


def test_x3_receipts_come_in_the_order_of_the_frames(stored: Driven) -> None:
    client = connected(stored)
    stored.slow_commits = True
    found: list[str] = []
    for number in range(20):
        client.put("SEND", {**PERSISTENT, "receipt": str(number)}, "m")
        stored.turn()
        found += [frame["receipt-id"] for frame in client.take()]
    found += [frame["receipt-id"] for frame in client.read()]
    assert found == [str(number) for number in range(20)]


def test_x3_many_sends_at_once_have_a_receipt_each(stored: Driven) -> None:
    client = connected(stored)
    client.send(QUEUE, "first", persistent="true")
    for number in range(100):
        client.put("SEND", {**PERSISTENT, "receipt": str(number)}, "m")
    assert [frame["receipt-id"] for frame in client.read()] == [str(number) for number in range(100)]
    stored.crash()
    assert len(stored.bodies()) == 101


def test_x3_a_queue_that_a_send_makes_is_on_the_disk_before_its_receipt(stored: Driven) -> None:
    client = connected(stored)
    client.put("SEND", {"destination": "/queue/new", "receipt": "r"}, "m")
    stored.broker.end_turn()
    assert client.take() == []
    assert only(client.read(), "RECEIPT")["receipt-id"] == "r"
    stored.crash()
    assert "new" in stored.broker.vhosts["/"].queues


def test_x3_a_message_that_is_not_persistent_does_not_survive(stored: Driven) -> None:
    client = connected(stored)
    client.send(QUEUE, "gone")
    client.send(QUEUE, "gone too", persistent="false")
    client.send(QUEUE, "kept", persistent="true")
    stored.crash()
    assert stored.bodies() == ["kept"]


def test_x3_what_the_store_fails_has_no_receipt(tmp_path: Path) -> None:
    timed = Timed(tmp_path / "store.db")
    client = connected(timed)
    client.put("SEND", {**PERSISTENT, "receipt": "1"}, "m")
    client.put("SEND", {**PERSISTENT, "receipt": "2"}, "m")
    timed.broker.end_turn()
    timed.fail()
    assert refused(client.read(), "Store failure")["receipt-id"] == "1"
    assert client.has_ended()
    assert timed.bodies() == []


def test_x3_a_publisher_that_wants_no_receipt_is_told_of_a_failure_of_the_store_by_nobody(tmp_path: Path) -> None:
    timed = Timed(tmp_path / "store.db")
    client = connected(timed)
    other = connected(timed)
    other.send(QUEUE, "transient", receipt="r")
    client.put("SEND", {**PERSISTENT, "receipt": "1"}, "m")
    timed.broker.end_turn()
    timed.fail()
    refused(client.read(), "Store failure")
    assert other.read() == []
    assert not other.has_ended()


# ------------------------------------------------------------------ ERROR


@pytest.mark.parametrize("dialect", ["spec", "rabbitmq"])
@pytest.mark.parametrize(
    ("command", "headers"),
    [
        ("SEND", {}),
        ("SEND", {"destination": "/nowhere/x"}),
        ("SEND", {"destination": QUEUE, "priority": "high"}),
        ("SUBSCRIBE", {"destination": "/amq/queue/none", "id": "1"}),
        ("UNSUBSCRIBE", {"id": "1"}),
        ("ACK", {"id": "1"}),
        ("NACK", {"id": "1"}),
        ("COMMIT", {"transaction": "t"}),
        ("WHAT", {}),
    ],
)
def test_x4_an_error_names_the_receipt_that_does_not_come(
    driven: Driven, command: str, headers: dict[str, str], dialect: str
) -> None:
    client = connected(driven, dialect)
    error = only(client.do(command, {**headers, "receipt": "a:b"}), "ERROR")
    assert error["receipt-id"] == "a:b"
    assert client.read() == []


def test_x4_an_error_without_a_receipt_names_none(client: Client) -> None:
    assert only(client.do("SEND"), "ERROR").get("receipt-id") is None


def test_x5_an_error_says_what_is_wrong_and_ends_the_connection(client: Client) -> None:
    error = only(client.do("WHAT"), "ERROR")
    assert error["message"] == "Bad command"
    assert error["content-type"] == "text/plain"
    assert error["content-length"] == str(len(error.body))
    assert error.body == b'Could not interpret command "WHAT"\n'
    assert client.has_ended()


def test_x5_nothing_after_an_error_is_looked_at(driven: Driven) -> None:
    client = connected(driven)
    client.put("WHAT")
    client.put("SEND", {"destination": QUEUE}, "m")
    assert [frame.command for frame in client.read()] == ["ERROR"]
    assert driven.bodies() == []


def test_x5_what_stood_before_an_error_is_done(driven: Driven) -> None:
    client = connected(driven)
    client.feed(b"SEND\ndestination:/queue/q\nreceipt:r\n\nm\0WHAT\n\n\0SEND\ndestination:/queue/q\n\nn\0")
    assert driven.bodies() == ["m"]
    assert client.has_ended()


def test_x5_receipts_that_are_owed_come_before_the_error_s_end(stored: Driven) -> None:
    client = connected(stored)
    client.put("SEND", {**PERSISTENT, "receipt": "r"}, "m")
    client.put("WHAT")
    assert not client.has_ended()
    assert [frame.command for frame in client.read()] == ["RECEIPT", "ERROR"]
    assert client.has_ended()


def test_x5_what_cannot_be_understood_ends_the_connection_in_every_dialect(driven: Driven) -> None:
    for dialect in ("spec", "rabbitmq", "activemq", "artemis"):
        client = connected(driven, dialect)
        refused(client.feed(b"SEND\nno colon\n\n\0"), "Bad frame")
        assert client.has_ended()


def test_x5_a_fault_of_the_broker_is_told_without_its_insides(
    driven: Driven, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = connected(driven)
    monkeypatch.setattr(Operations, "require_readable", None)
    error = refused(client.do("SUBSCRIBE", {"id": "1", "destination": "/queue/q", "receipt": "r"}), "Internal error")
    assert "TypeError" not in error.text
    assert error["receipt-id"] == "r"
    assert "TypeError" in caplog.text
    assert client.has_ended()


def test_x5_an_error_quotes_no_more_of_a_frame_than_it_must(client: Client) -> None:
    error = only(client.do(200 * "X"), "ERROR")
    assert len(error.body) < 120


# ------------------------------------------------------------------ DISCONNECT and loss


def test_x6_disconnect_is_answered_when_all_else_is_done(stored: Driven) -> None:
    client = connected(stored)
    for number in range(100):
        client.put("SEND", PERSISTENT, str(number))
    client.put("DISCONNECT", {"receipt": "bye"})
    stored.broker.end_turn()
    assert client.take() == []
    assert not client.has_ended()
    assert only(client.read(), "RECEIPT")["receipt-id"] == "bye"
    assert client.has_ended()
    stored.crash()
    assert len(stored.bodies()) == 100


def test_x6_receipts_that_are_owed_come_before_that_of_disconnect(stored: Driven) -> None:
    client = connected(stored)
    client.put("SEND", {**PERSISTENT, "receipt": "r"}, "m")
    client.put("DISCONNECT", {"receipt": "bye"})
    assert [frame["receipt-id"] for frame in client.read()] == ["r", "bye"]


def test_x6_nothing_is_taken_or_delivered_after_disconnect(driven: Driven) -> None:
    client = connected(driven)
    client.subscribe(QUEUE)
    client.put("DISCONNECT", {"receipt": "bye"})
    client.put("SEND", {"destination": QUEUE, "receipt": "late"}, "late")
    driven.publish("m")
    assert [frame.command for frame in client.read()] == ["RECEIPT"]
    assert driven.bodies() == ["m"]


@pytest.mark.parametrize("receipt", [None, "1"])
def test_x6_what_the_store_fails_is_told_instead_of_the_receipt_of_disconnect(
    tmp_path: Path, receipt: str | None
) -> None:
    timed = Timed(tmp_path / "store.db")
    client = connected(timed)
    client.put("SEND", PERSISTENT if receipt is None else {**PERSISTENT, "receipt": receipt}, "m")
    client.put("DISCONNECT", {"receipt": "bye"})
    timed.broker.end_turn()
    timed.fail()
    assert refused(client.read(), "Store failure")["receipt-id"] == (receipt or "bye")
    assert client.has_ended()


def test_x6_a_failure_while_disconnect_waits_is_not_forgotten_with_the_next_commit(tmp_path: Path) -> None:
    timed = Timed(tmp_path / "store.db")
    client = connected(timed)
    other = connected(timed)
    client.put("SEND", PERSISTENT, "m")
    timed.broker.end_turn()
    timed.broker.store.stage()
    # The store is at work on the message; what comes now is of the next batch, which is kept.
    other.put("SEND", PERSISTENT, "n")
    client.put("DISCONNECT", {"receipt": "bye"})
    timed.broker.end_turn()
    timed.fail_staged()
    refused(client.read(), "Store failure")
    assert client.has_ended()


def test_x6_the_receipt_of_disconnect_comes_when_the_store_has_the_acks(stored: Driven) -> None:
    client = connected(stored)
    stored.publish("m")
    stored.settle()
    (message,) = client.subscribe(QUEUE, ack="client")
    client.put("ACK", {"id": message["ack"]})
    client.put("DISCONNECT", {"receipt": "bye"})
    stored.broker.end_turn()
    assert client.take() == []
    assert only(client.read(), "RECEIPT")["receipt-id"] == "bye"
    stored.crash()
    assert stored.bodies() == []


def test_x7_the_end_is_there_to_be_written_before_the_socket_is_closed(client: Client) -> None:
    client.put("DISCONNECT", {"receipt": "bye"})
    assert client.has_ended()
    assert b"RECEIPT" in b"".join(client.session.output)


def test_x8_a_lost_connection_leaves_nothing_behind(driven: Driven) -> None:
    client = connected(driven)
    driven.publish("m")
    client.subscribe(QUEUE, ack="client")
    client.subscribe("/temp-queue/t", "2")
    client.subscribe("/topic/t", "3")
    client.do("BEGIN", {"transaction": "t"})
    client.send(QUEUE, "sent", transaction="t")
    client.lose()
    assert sorted(driven.broker.vhosts["/"].queues) == ["q"]
    assert driven.bodies() == ["m"]


def test_x8_what_a_lost_connection_sent_is_kept(stored: Driven) -> None:
    client = connected(stored)
    client.put("SEND", {**PERSISTENT, "receipt": "r"}, "m")
    client.lose()
    stored.crash()
    assert stored.bodies() == ["m"]


def test_x8_a_connection_may_be_lost_while_it_waits_for_the_store(stored: Driven) -> None:
    client = connected(stored)
    client.put("SUBSCRIBE", {"destination": "/queue/new", "id": "1", "receipt": "r"})
    client.session.connection_lost()
    assert client.read() == []
    assert not stored.operations.find_queue("new").consumers


@pytest.mark.parametrize("version", ["spec", "rabbitmq"])
def test_x8_who_is_sent_away_while_he_waits_for_the_store_does_not_subscribe(stored: Driven, version: str) -> None:
    client = connected(stored, version)
    client.put("SEND", {**PERSISTENT, "receipt": "sent"}, "m")
    client.put("SUBSCRIBE", {"destination": "/queue/new", "id": "1", "receipt": "r"})
    client.session.shutdown("for repairs")
    assert [frame.command for frame in client.read()] == ["RECEIPT"]
    assert client.has_ended()
    assert not stored.operations.find_queue("new").consumers


def test_x8_the_broker_ends_connections_without_an_error(driven: Driven) -> None:
    client = connected(driven)
    driven.publish("m")
    assert bodies(client.subscribe(QUEUE, ack="client")) == ["m"]
    client.session.shutdown("for repairs")
    assert client.read() == []
    assert client.has_ended()
    assert driven.bodies() == ["m"]
    silent = Client(driven)
    silent.session.shutdown("for repairs")
    assert silent.has_ended()
