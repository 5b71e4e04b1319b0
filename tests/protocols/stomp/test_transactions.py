"""BEGIN, COMMIT, ABORT (STOMP 1.2 "BEGIN", "COMMIT", "ABORT")."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batonmq.protocols.sessions.standing import SUSPENDED
from batonmq.protocols.stomp import StompSettings
from tests.support.driven import Driven
from tests.support.stomp import Client, bodies, only, refused, settings
from tests.support.timed import Timed

QUEUE = "/queue/q"


def begun(driven: Driven, dialect: str = "spec", **changes: object) -> Client:
    """A client with the transaction `t`."""
    driven.queue("q")
    client = Client(driven, settings(dialect, **changes))
    client.connect()
    assert client.do("BEGIN", {"transaction": "t"}) == []
    return client


def commit(client: Client, name: str = "t") -> None:
    assert client.do("COMMIT", {"transaction": name}) == []


# ------------------------------------------------------------------ names


@pytest.mark.parametrize("command", ["BEGIN", "COMMIT", "ABORT"])
def test_t1_transaction_is_a_must(client: Client, command: str) -> None:
    error = refused(client.do(command, {"receipt": "r"}), "Missing transaction")
    assert error["receipt-id"] == "r"


def test_t1_a_transaction_does_not_begin_twice(driven: Driven) -> None:
    client = begun(driven)
    refused(client.do("BEGIN", {"transaction": "t"}), "Bad transaction")


@pytest.mark.parametrize("command", ["COMMIT", "ABORT", "SEND", "ACK", "NACK"])
@pytest.mark.parametrize("is_over", [False, True])
def test_t1_an_unknown_transaction_is_an_error(driven: Driven, command: str, is_over: bool) -> None:
    driven.queue("q")
    driven.publish("m")
    client = Client(driven, settings("rabbitmq"))
    client.connect()
    (message,) = client.subscribe(QUEUE, ack="client")
    if is_over:
        client.do("BEGIN", {"transaction": "t"})
        commit(client)
    refused(client.do(command, {"transaction": "t", "destination": QUEUE, "id": message["ack"]}), "Bad transaction")
    client.lose()
    assert driven.bodies() == ["m"]


def test_t2_several_are_open_at_once(driven: Driven) -> None:
    client = begun(driven)
    client.do("BEGIN", {"transaction": "u"})
    client.send(QUEUE, "t1", transaction="t")
    client.send(QUEUE, "u1", transaction="u")
    client.send(QUEUE, "t2", transaction="t")
    commit(client, "u")
    client.do("ABORT", {"transaction": "t"})
    assert driven.bodies() == ["u1"]


@pytest.mark.parametrize("ends", ["COMMIT", "ABORT"])
def test_t2_a_name_can_be_used_again(driven: Driven, ends: str) -> None:
    client = begun(driven)
    client.send(QUEUE, "a", transaction="t")
    client.do(ends, {"transaction": "t"})
    client.do("BEGIN", {"transaction": "t"})
    client.send(QUEUE, "b", transaction="t")
    commit(client)
    assert driven.bodies() == (["a", "b"] if ends == "COMMIT" else ["b"])


def test_t2_names_are_the_connection_s_own(driven: Driven) -> None:
    first, second = begun(driven), begun(driven)
    first.send(QUEUE, "first", transaction="t")
    second.send(QUEUE, "second", transaction="t")
    commit(second)
    assert driven.bodies() == ["second"]


# ------------------------------------------------------------------ SEND


def test_t3_sends_are_not_seen_before_the_commit(driven: Driven) -> None:
    client = begun(driven)
    other = Client(driven)
    other.connect()
    other.subscribe(QUEUE)
    for body in "abc":
        assert client.send(QUEUE, body, transaction="t") == []
    assert other.read() == []
    commit(client)
    assert bodies(other.read()) == ["a", "b", "c"]


def test_t3_others_of_the_connection_go_at_once(driven: Driven) -> None:
    client = begun(driven)
    client.send(QUEUE, "late", transaction="t")
    client.send(QUEUE, "early")
    commit(client)
    assert driven.bodies() == ["early", "late"]


def test_t3_the_same_headers_without_a_transaction_are_not_part_of_it(driven: Driven) -> None:
    client = begun(driven)
    for _ in range(3):
        client.put("SEND", {"destination": QUEUE, "transaction": "t"}, "in")
        client.put("SEND", {"destination": QUEUE}, "out")
    client.read()
    client.do("ABORT", {"transaction": "t"})
    assert driven.bodies() == ["out"] * 3


def test_t3_a_queue_is_made_when_it_is_sent_to(client: Client, driven: Driven) -> None:
    client.do("BEGIN", {"transaction": "t"})
    client.send("/queue/new", "m", transaction="t")
    commit(client)
    assert driven.bodies("new") == ["m"]


# ------------------------------------------------------------------ ABORT and the end of the connection


def test_t4_abort_discards_what_was_sent(driven: Driven) -> None:
    client = begun(driven)
    client.send(QUEUE, "m", transaction="t")
    assert client.do("ABORT", {"transaction": "t"}) == []
    assert driven.bodies() == []


@pytest.mark.parametrize("command", ["ACK", "NACK"])
@pytest.mark.parametrize("mode", ["client", "client-individual"])
def test_t4_after_abort_a_message_can_be_acknowledged_again(driven: Driven, mode: str, command: str) -> None:
    client = begun(driven)
    for body in "abc":
        driven.publish(body)
    messages = client.subscribe(QUEUE, ack=mode)
    client.settle(command, messages[1], transaction="t")
    # Nothing is delivered anew.
    assert client.do("ABORT", {"transaction": "t"}) == []
    assert client.ack(messages[0]) == []
    assert client.ack(messages[1]) == []
    client.lose()
    assert driven.bodies() == ["c"]


def test_t4_after_abort_the_prefetch_is_what_it_was(driven: Driven) -> None:
    client = begun(driven)
    for body in "abc":
        driven.publish(body)
    (message,) = client.subscribe(QUEUE, ack="client", prefetch_count="1")
    assert client.ack(message, transaction="t") == []
    assert client.do("ABORT", {"transaction": "t"}) == []
    assert bodies(client.ack(message)) == ["b"]


def test_t4_after_abort_a_message_of_an_ended_subscription_can_be_acknowledged(driven: Driven) -> None:
    client = begun(driven)
    driven.publish("m")
    (message,) = client.subscribe(QUEUE, ack="client")
    client.ack(message, transaction="t")
    client.do("UNSUBSCRIBE", {"id": "1"})
    client.do("ABORT", {"transaction": "t"})
    assert client.ack(message) == []
    client.lose()
    assert driven.bodies() == []


def test_t4_a_message_that_is_in_a_transaction_cannot_be_acknowledged_again(driven: Driven) -> None:
    client = begun(driven)
    driven.publish("m")
    (message,) = client.subscribe(QUEUE, ack="client")
    client.ack(message, transaction="t")
    refused(client.ack(message), "Message not found")
    assert driven.bodies() == ["m"]


@pytest.mark.parametrize("ends", ["DISCONNECT", "loss", "error"])
def test_t5_the_end_of_the_connection_aborts(driven: Driven, ends: str) -> None:
    client = begun(driven)
    driven.publish("m")
    (message,) = client.subscribe(QUEUE, ack="client")
    client.ack(message, transaction="t")
    client.send(QUEUE, "sent", transaction="t")
    if ends == "DISCONNECT":
        client.do("DISCONNECT")
    elif ends == "error":
        client.do("SEND")
    client.lose()
    assert driven.bodies() == ["m"]


# ------------------------------------------------------------------ receipts


def test_t6_begin_commit_and_abort_have_receipts(client: Client) -> None:
    for name, end in (("t", "COMMIT"), ("u", "ABORT")):
        assert only(client.do("BEGIN", {"transaction": name, "receipt": "b"}), "RECEIPT")["receipt-id"] == "b"
        assert only(client.do(end, {"transaction": name, "receipt": "e"}), "RECEIPT")["receipt-id"] == "e"


def test_t6_receipts_of_sends_come_after_the_commit(driven: Driven) -> None:
    client = begun(driven)
    for number in range(50):
        assert client.send(QUEUE, "m", transaction="t", receipt=str(number)) == []
    found = client.do("COMMIT", {"transaction": "t", "receipt": "commit"})
    assert [frame["receipt-id"] for frame in found] == [*map(str, range(50)), "commit"]


def test_t6_the_receipt_of_a_commit_comes_when_the_store_has_it(stored: Driven) -> None:
    client = begun(stored)
    client.send(QUEUE, "m", transaction="t", persistent="true", receipt="s")
    client.put("COMMIT", {"transaction": "t", "receipt": "c"})
    stored.broker.end_turn()
    assert client.take() == []
    assert [frame["receipt-id"] for frame in client.read()] == ["s", "c"]
    stored.crash()
    assert stored.bodies() == ["m"]


def test_t6_receipts_of_what_was_aborted_do_not_come(driven: Driven) -> None:
    client = begun(driven)
    client.send(QUEUE, "m", transaction="t", receipt="s")
    assert only(client.do("ABORT", {"transaction": "t", "receipt": "a"}), "RECEIPT")["receipt-id"] == "a"


def test_t6_what_follows_a_commit_waits_for_it(stored: Driven) -> None:
    client = begun(stored)
    client.send(QUEUE, "in", transaction="t", persistent="true")
    client.put("COMMIT", {"transaction": "t", "receipt": "c"})
    client.put("SEND", {"destination": QUEUE, "receipt": "s"}, "out")
    assert [frame["receipt-id"] for frame in client.read()] == ["c", "s"]
    assert stored.bodies() == ["in", "out"]


# ------------------------------------------------------------------ limits


def test_t7_open_transactions_are_limited(driven: Driven) -> None:
    client = begun(driven, transactions_max=2)
    client.do("BEGIN", {"transaction": "u"})
    refused(client.do("BEGIN", {"transaction": "v"}), "Transaction limit exceeded")


def test_t7_frames_of_a_transaction_are_limited(driven: Driven) -> None:
    client = begun(driven, "rabbitmq", transaction_frames_max=3)
    for body in "abc":
        driven.publish(body)
    messages = client.subscribe(QUEUE, ack="client-individual")
    client.ack(messages[0], transaction="t")
    client.send(QUEUE, "d", transaction="t")
    client.send(QUEUE, "e", transaction="t")
    refused(client.send(QUEUE, "f", transaction="t"), "Transaction too large")
    refused(client.ack(messages[1], transaction="t"), "Transaction too large")
    # It is none of the transaction's, and still the client's to acknowledge.
    assert client.ack(messages[1]) == []
    client.do("UNSUBSCRIBE", {"id": "1"})
    commit(client)
    client.lose()
    assert driven.bodies() == ["c", "d", "e"]


def test_t7_octets_of_a_connection_s_transactions_are_limited(driven: Driven) -> None:
    driven.queue("q")
    client = Client(driven, replace(settings("rabbitmq"), max_transaction_size=1_000))
    client.connect()
    for name in "tu":
        client.do("BEGIN", {"transaction": name})
        client.send(QUEUE, 400 * b"x", transaction=name)
    refused(client.send(QUEUE, 400 * b"x", transaction="t"), "Transaction too large")
    client.do("ABORT", {"transaction": "u"})
    assert client.send(QUEUE, 400 * b"x", transaction="t") == []


def test_t7_the_default_limits_are_those_of_the_dialect() -> None:
    assert StompSettings().dialect.transactions_max == 1_000
    assert settings("rabbitmq").dialect.transactions_max == 16
    assert settings("rabbitmq").dialect.transaction_frames_max == 1_024


# ------------------------------------------------------------------ all or nothing


def test_t8_a_commit_is_in_one_transaction_of_the_store(stored: Driven) -> None:
    client = begun(stored)
    stored.queue("other")
    stored.publish("m")
    stored.settle()
    (message,) = client.subscribe(QUEUE, ack="client")
    client.send("/queue/other", "a", transaction="t", persistent="true")
    client.ack(message, transaction="t")
    client.send("/queue/other", "b", transaction="t", persistent="true")
    client.put("COMMIT", {"transaction": "t"})
    stored.broker.end_turn()
    # The process ends before the store's commit...
    stored.crash()
    assert stored.bodies() == ["m"]
    assert stored.bodies("other") == []


def test_t8_a_commit_that_cannot_be_sent_whole_is_not_sent(driven: Driven) -> None:
    driven.queue("full", x_max_length=1, x_overflow="reject-publish")
    client = begun(driven, "rabbitmq")
    driven.publish("m")
    (message,) = client.subscribe(QUEUE, ack="client")
    client.ack(message, transaction="t")
    client.send(QUEUE, "a", transaction="t")
    client.send("/queue/full", "b", transaction="t")
    client.send("/queue/full", "c", transaction="t")
    refused(client.do("COMMIT", {"transaction": "t", "receipt": "r"}), "Message refused")
    client.lose()
    assert driven.bodies("full") == []
    assert driven.bodies() == ["m"]


def test_t8_a_commit_to_a_queue_that_is_gone_is_not_sent(driven: Driven) -> None:
    client = begun(driven, "rabbitmq")
    driven.queue("gone")
    client.send(QUEUE, "a", transaction="t")
    client.send("/amq/queue/gone", "b", transaction="t")
    driven.operations.delete_queue("gone")
    refused(client.do("COMMIT", {"transaction": "t"}), "not_found")
    assert driven.bodies() == []


def committing(timed: Timed) -> Client:
    """It waits for the store with a COMMIT: the message `a` to `q`, and the ACK of the message `m` from `q`."""
    client = begun(timed)
    timed.publish("m")
    timed.settle()
    (message,) = client.subscribe(QUEUE, ack="client")
    client.send(QUEUE, "a", transaction="t", persistent="true")
    client.ack(message, transaction="t")
    client.put("COMMIT", {"transaction": "t", "receipt": "r"})
    assert client.session.standing() & SUSPENDED
    return client


@pytest.fixture
def timed(tmp_path: Path) -> Timed:
    """A disk that can fail."""
    return Timed(tmp_path / "store.db")


def test_t8_a_commit_that_the_store_fails_is_not_done(timed: Timed) -> None:
    client = committing(timed)
    timed.fail()
    error = refused(client.read(), "Store failure")
    assert error["receipt-id"] == "r"
    assert client.has_ended()
    client.lose()
    assert timed.bodies() == ["m"]


@pytest.mark.parametrize("fails", [False, True])
def test_t8_so_it_is_when_the_client_is_gone_meanwhile(timed: Timed, fails: bool) -> None:
    client = committing(timed)
    client.session.connection_lost()
    if fails:
        timed.fail()
    assert client.read() == []
    assert timed.bodies() == (["m"] if fails else ["a"])
    timed.crash()
    assert timed.bodies() == (["m"] if fails else ["a"])


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("owes", [False, True])
def test_t8_so_it_is_when_the_client_is_sent_away_meanwhile(timed: Timed, owes: bool, fails: bool) -> None:
    timed.queue("q")
    client = begun(timed)
    timed.publish("m")
    timed.settle()
    (message,) = client.subscribe(QUEUE, ack="client", prefetch_count="1")
    client.ack(message, transaction="t")
    if owes:
        client.put("SEND", {"destination": QUEUE, "persistent": "true"}, "b")
    client.put("COMMIT", {"transaction": "t", "receipt": "r"})
    client.session.shutdown("for repairs")
    if fails:
        timed.fail()
    frames = client.read()
    assert [frame.command for frame in frames] == ["ERROR" if fails else "RECEIPT"]
    assert client.has_ended()
    left = ["b"] if owes else []
    assert timed.bodies() == (["m"] if fails else left)
