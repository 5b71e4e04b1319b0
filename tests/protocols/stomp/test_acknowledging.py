"""ACK and NACK (STOMP 1.2 "ACK", "NACK")."""

from __future__ import annotations

import pytest

from tests.support.driven import Driven
from tests.support.stomp import Client, Frame, bodies, only, refused, settings

VERSIONS = ["1.0", "1.1", "1.2"]


def taking(
    driven: Driven, ack: str, count: int = 4, *, version: str = "1.2", dialect: str = "spec", limit: int = -1
) -> tuple[Client, list[Frame]]:
    """A client that was given 0, 1, 2... of the queue `q`, and what it was given."""
    # The dead letters of `q` go to `dead`, of those that come back too often as well if there is a limit.
    driven.queue("dead")
    limits = {"x_delivery_limit": limit} if limit >= 0 else {}
    driven.queue("q", x_dead_letter_exchange="", x_dead_letter_routing_key="dead", **limits)  # type: ignore[arg-type]
    for number in range(count):
        driven.publish(str(number))
    client = Client(driven, settings(dialect))
    client.connect(version)
    found = client.subscribe("/queue/q", ack=ack)
    assert bodies(found) == [str(number) for number in range(count)]
    return client, found


def left(driven: Driven, client: Client) -> list[str]:
    """What the queue has when the client is gone."""
    client.lose()
    return driven.bodies()


# ------------------------------------------------------------------ which delivery is meant


@pytest.mark.parametrize("version", VERSIONS)
def test_a1_a_message_is_named_as_the_version_has_it(driven: Driven, version: str) -> None:
    client, messages = taking(driven, "client-individual", version=version)
    assert client.ack(messages[1]) == []
    assert left(driven, client) == ["0", "2", "3"]


def test_a1_in_1_0_the_message_id_is_enough_for_any_subscription(driven: Driven) -> None:
    client, messages = taking(driven, "client", version="1.0")
    driven.queue("other")
    driven.publish("o", queue="other")
    (other,) = client.subscribe("/queue/other", "2", ack="client")
    assert client.do("ACK", {"message-id": messages[0]["message-id"]}) == []
    assert client.do("ACK", {"message-id": other["message-id"]}) == []
    client.lose()
    assert driven.bodies() == ["1", "2", "3"]
    assert driven.bodies("other") == []


def test_a1_in_1_0_a_subscription_without_an_id_is_acknowledged_too(driven: Driven) -> None:
    driven.queue("q")
    driven.publish("m")
    client = Client(driven)
    client.connect("1.0")
    (message,) = client.subscribe("/queue/q", None, ack="client")
    client.ack(message)
    assert left(driven, client) == []


def test_a1_in_1_1_the_subscription_must_be_that_of_the_message(driven: Driven) -> None:
    client, messages = taking(driven, "client", version="1.1")
    client.subscribe("/queue/other", "2", ack="client")
    refused(
        client.do("ACK", {"message-id": messages[0]["message-id"], "subscription": "2"}),
        "Message not found",
    )
    assert driven.bodies() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("command", ["ACK", "NACK"])
@pytest.mark.parametrize(
    ("version", "missing"), [("1.0", "message-id"), ("1.1", "message-id"), ("1.1", "subscription"), ("1.2", "id")]
)
def test_a2_a_missing_header_is_an_error(driven: Driven, version: str, missing: str, command: str) -> None:
    # Neither ends the connection with it; in rabbitmq 1.0 has NACK, and 1.1 needs no subscription.
    dialect = "activemq" if missing == "subscription" else "rabbitmq"
    client, messages = taking(driven, "client", version=version, dialect=dialect)
    names = {"message-id": messages[0]["message-id"], "subscription": "1", "id": messages[0].get("ack") or ""}
    del names[missing]
    error = refused(client.do(command, names), "Missing header")
    assert missing in error.text
    assert left(driven, client) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a3_a_message_is_acknowledged_once(driven: Driven, version: str) -> None:
    client, messages = taking(driven, "client", version=version)
    client.ack(messages[0])
    refused(client.ack(messages[0]), "Message not found")
    assert client.has_ended()
    assert driven.bodies() == ["1", "2", "3"]


@pytest.mark.parametrize("ident", ["", "1", "x", "..", "a.b.c", "{session}.1", "{session}.9.1", "{session}.1.99"])
def test_a3_an_unknown_id_is_an_error(driven: Driven, ident: str) -> None:
    client, messages = taking(driven, "client")
    session = messages[0]["ack"].partition(".")[0]
    refused(client.do("ACK", {"id": ident.format(session=session)}), "Message not found")
    assert driven.bodies() == ["0", "1", "2", "3"]


def test_a3_an_id_of_another_connection_is_unknown(driven: Driven) -> None:
    client, messages = taking(driven, "client")
    other = Client(driven)
    other.connect()
    other.subscribe("/queue/other", ack="client")
    refused(other.ack(messages[0]), "Message not found")
    assert left(driven, client) == ["0", "1", "2", "3"]


# ------------------------------------------------------------------ how many are meant


@pytest.mark.parametrize("version", VERSIONS)
def test_a4_client_mode_is_cumulative(driven: Driven, version: str) -> None:
    client, messages = taking(driven, "client", version=version)
    assert client.ack(messages[2]) == []
    assert left(driven, client) == ["3"]


def test_a4_client_mode_is_cumulative_over_one_subscription(driven: Driven) -> None:
    client, _ = taking(driven, "client")
    driven.queue("other")
    driven.publish("o", queue="other")
    client.subscribe("/queue/other", "2", ack="client")
    driven.publish("4")
    (last,) = client.read()
    client.ack(last)
    client.lose()
    assert driven.bodies() == []
    assert driven.bodies("other") == ["o"]


def test_a4_what_was_acknowledged_before_does_not_count_again(driven: Driven) -> None:
    client, messages = taking(driven, "client")
    client.ack(messages[1])
    client.ack(messages[2])
    assert left(driven, client) == ["3"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a5_client_individual_mode_is_not(driven: Driven, version: str) -> None:
    client, messages = taking(driven, "client-individual", version=version)
    client.ack(messages[2])
    assert left(driven, client) == ["0", "1", "3"]


def test_a6_nack_is_not_in_1_0(driven: Driven) -> None:
    client, messages = taking(driven, "client", version="1.0")
    refused(client.nack(messages[0]), "Bad command")


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a6_nack_in_client_individual_mode_means_one_message(driven: Driven, version: str) -> None:
    client, messages = taking(driven, "client-individual", version=version)
    found = client.nack(messages[2])
    assert bodies(found) == ["2"]
    assert only(found, "MESSAGE")["redelivered"] == "true"


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a6_nack_in_client_mode_means_those_before_too(driven: Driven, version: str) -> None:
    client, messages = taking(driven, "client", version=version)
    assert bodies(client.nack(messages[2])) == ["0", "1", "2"]


# ------------------------------------------------------------------ what becomes of it


def test_a7_a_nack_gives_back_to_whoever_has_room(driven: Driven) -> None:
    client, messages = taking(driven, "client-individual", 1)
    client.do("UNSUBSCRIBE", {"id": "1"})
    other = Client(driven)
    other.connect()
    other.subscribe("/queue/q")
    assert client.nack(messages[0]) == []
    message = only(other.read(), "MESSAGE")
    assert message.body == b"0"
    assert message["redelivered"] == "true"


def test_a7_a_nack_counts_as_a_delivery(driven: Driven) -> None:
    client, found = taking(driven, "client-individual", 1, limit=2)
    counts: list[str | None] = []
    for _ in range(10):
        if not found:
            break
        counts.append(found[0].get("JMSXDeliveryCount"))
        found = client.nack(found[0])
    assert counts == [None, "2", "3"]
    assert driven.bodies("dead") == ["0"]


@pytest.mark.parametrize("mode", ["client", "client-individual"])
def test_a7_a_nack_with_requeue_false_is_a_dead_letter(driven: Driven, mode: str) -> None:
    client, messages = taking(driven, mode)
    assert client.nack(messages[0], requeue="false") == []
    assert driven.bodies("dead") == ["0"]
    assert left(driven, client) == ["1", "2", "3"]


def test_a7_a_nack_with_requeue_true_is_given_back_whatever_the_dialect(driven: Driven) -> None:
    client, messages = taking(driven, "client-individual", dialect="activemq")
    assert bodies(client.nack(messages[3], requeue="true")) == ["3"]


@pytest.mark.parametrize("command", ["ACK", "NACK"])
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a8_there_is_nothing_to_acknowledge_in_auto_mode(driven: Driven, version: str, command: str) -> None:
    client, messages = taking(driven, "auto", version=version)
    headers = {"message-id": messages[0]["message-id"], "subscription": "1", "id": messages[0]["message-id"]}
    error = refused(client.do(command, headers), "Message not found")
    assert "ack:auto" in error.text
    assert driven.bodies() == []


def test_a9_what_was_not_acknowledged_is_delivered_again(driven: Driven) -> None:
    client, messages = taking(driven, "client")
    client.ack(messages[0])
    client.lose()
    other = Client(driven)
    other.connect()
    found = other.subscribe("/queue/q", ack="client")
    assert bodies(found) == ["1", "2", "3"]
    assert {frame["redelivered"] for frame in found} == {"true"}


def test_a9_it_goes_back_to_where_it_was(driven: Driven) -> None:
    client, _ = taking(driven, "client")
    other = Client(driven)
    other.connect()
    other.subscribe("/queue/q", ack="client", prefetch_count="2")
    driven.publish("4")
    driven.publish("5")
    driven.settle()
    client.lose()
    other.lose()
    assert driven.bodies() == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize("command", ["ACK", "NACK"])
def test_a10_a_settlement_in_a_transaction_waits_for_the_commit(driven: Driven, command: str) -> None:
    client, messages = taking(driven, "client-individual", 1)
    client.do("BEGIN", {"transaction": "t"})
    assert client.settle(command, messages[0], transaction="t", requeue="true") == []
    assert driven.bodies() == []
    found = client.do("COMMIT", {"transaction": "t"})
    assert bodies(found) == ([] if command == "ACK" else ["0"])


@pytest.mark.parametrize("ends", ["COMMIT", "ABORT", "loss"])
def test_a10_an_ack_counts_only_if_its_transaction_is_committed(driven: Driven, ends: str) -> None:
    client, messages = taking(driven, "client")
    client.do("BEGIN", {"transaction": "t"})
    client.ack(messages[1], transaction="t")
    if ends != "loss":
        client.do(ends, {"transaction": "t"})
    assert left(driven, client) == (["2", "3"] if ends == "COMMIT" else ["0", "1", "2", "3"])


def test_a11_a_receipt_of_an_ack_comes_when_the_store_has_it(stored: Driven) -> None:
    client, messages = taking(stored, "client")
    client.put("ACK", {"id": messages[3]["ack"], "receipt": "r"})
    stored.broker.end_turn()
    assert client.take() == []
    assert only(client.read(), "RECEIPT")["receipt-id"] == "r"
    stored.crash()
    assert stored.bodies() == []


def test_a11_an_ack_that_fails_has_no_receipt(driven: Driven) -> None:
    client, _ = taking(driven, "client", dialect="rabbitmq")
    assert refused(client.do("ACK", {"id": "x", "receipt": "r"}), "Invalid header")["receipt-id"] == "r"
    assert client.read() == []


def test_a_message_given_after_the_ack_has_an_id_of_its_own(driven: Driven) -> None:
    client, messages = taking(driven, "client")
    again = client.nack(messages[3])
    assert len({frame["message-id"] for frame in [*messages, *again]}) == 8
    refused(client.ack(messages[0]), "Message not found")


# ------------------------------------------------------------------ many at once


def acks(messages: list[Frame], *lines: str) -> bytes:
    """An ACK of each, in one piece, with these header lines as well."""
    return "".join("\n".join(("ACK", f"id:{message['ack']}", *lines)) + "\n\n\0" for message in messages).encode()


@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_acks_that_come_together_are_done_together(driven: Driven, ack: str) -> None:
    client, messages = taking(driven, ack, count=6)
    assert client.feed(acks(messages[:4])) == []
    assert driven.broker.vhosts["/"].queues["q"].unsettled == 2
    assert left(driven, client) == ["4", "5"]


def test_an_ack_among_others_that_is_wrong_is_told_and_those_before_it_are_done(driven: Driven) -> None:
    client, messages = taking(driven, "client-individual", count=6)
    refused(client.feed(acks([messages[0], messages[1], messages[0], messages[2]])), "Message not found")
    assert left(driven, client) == ["2", "3", "4", "5"]


def test_an_ack_with_a_receipt_is_answered_among_others(driven: Driven) -> None:
    client, messages = taking(driven, "client-individual", count=6)
    found = client.feed(acks(messages[:2]) + acks(messages[2:3], "receipt:r") + acks(messages[3:5]))
    assert [(frame.command, frame["receipt-id"]) for frame in found] == [("RECEIPT", "r")]
    assert left(driven, client) == ["5"]


def test_an_ack_of_a_transaction_waits_for_it_among_others(driven: Driven) -> None:
    client, messages = taking(driven, "client-individual", count=6)
    client.do("BEGIN", {"transaction": "t"})
    client.feed(acks(messages[:2]) + acks(messages[2:3], "transaction:t") + acks(messages[3:5]))
    client.do("ABORT", {"transaction": "t"})
    assert left(driven, client) == ["2", "5"]
