"""SUBSCRIBE, UNSUBSCRIBE and MESSAGE (STOMP 1.2 "SUBSCRIBE", "UNSUBSCRIBE", "MESSAGE")."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batonmq.broker import Permission, User
from tests.support.driven import Driven
from tests.support.stomp import Client, bodies, connected, only, publish, queues, refused, settings
from tests.support.timed import Timed

QUEUE = "/queue/q"
VERSIONS = ["1.0", "1.1", "1.2"]


# ------------------------------------------------------------------ SUBSCRIBE


@pytest.mark.parametrize("version", VERSIONS)
def test_u1_a_destination_is_a_must(driven: Driven, version: str) -> None:
    client = connected(driven, version)
    refused(client.do("SUBSCRIBE", {"id": "1"}), "Missing destination")


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_u1_an_id_is_a_must_since_1_1(driven: Driven, version: str) -> None:
    client = connected(driven, version)
    refused(client.subscribe(QUEUE, None), "Missing id")
    assert client.has_ended()


def test_u1_an_id_is_not_needed_in_1_0(driven: Driven) -> None:
    client = connected(driven, "1.0")
    publish(driven, "m")
    assert bodies(client.subscribe(QUEUE, None)) == ["m"]


@pytest.mark.parametrize("dialect", ["spec", "rabbitmq", "activemq", "artemis"])
def test_u2_an_id_is_used_once(driven: Driven, dialect: str) -> None:
    client = connected(driven, dialect=dialect)
    client.subscribe(QUEUE)
    error = refused(client.subscribe("/queue/other"), "Duplicated subscription identifier")
    assert error.text == "A subscription identified by 'T_1' already exists."
    assert client.has_ended()


def test_u2_an_id_can_be_used_again_when_its_subscription_is_over(client: Client, driven: Driven) -> None:
    client.subscribe(QUEUE)
    client.do("UNSUBSCRIBE", {"id": "1"})
    publish(driven, "m", queue="other")
    assert bodies(client.subscribe("/queue/other")) == ["m"]


def test_u3_acknowledgements_are_automatic_unless_asked_for(client: Client, driven: Driven) -> None:
    publish(driven, "m")
    assert only(client.subscribe(QUEUE), "MESSAGE").get("ack") is None
    client.lose()
    assert driven.bodies() == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mode", ["client", "client-individual"])
def test_u3_what_is_not_acknowledged_stays(driven: Driven, version: str, mode: str) -> None:
    client = connected(driven, version)
    publish(driven, "m")
    assert bodies(client.subscribe(QUEUE, ack=mode)) == ["m"]
    client.lose()
    assert driven.bodies() == ["m"]


@pytest.mark.parametrize("mode", ["", "Auto", "never"])
def test_u3_an_unknown_mode_is_an_error(client: Client, driven: Driven, mode: str) -> None:
    refused(client.subscribe(QUEUE, ack=mode), "Invalid header")
    assert client.has_ended()
    assert queues(driven) == {}


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("/amq/queue/none", "not_found"),
        ("/reply-queue/none", "not_found"),
        ("/exchange/none/k", "not_found"),
        ("/nowhere/q", "Unknown destination"),
        ("/queue/", "Invalid destination"),
        ("/queue/a/b", "Invalid destination"),
        ("/topic/", "Invalid destination"),
        ("", "Invalid destination"),
    ],
)
def test_u4_what_cannot_be_subscribed_to_is_an_error(
    client: Client, driven: Driven, destination: str, message: str
) -> None:
    refused(client.subscribe(destination), message)
    assert client.has_ended()
    assert queues(driven) == {}


def test_u4_a_queue_that_may_not_be_read_is_refused(driven: Driven) -> None:
    publish(driven, "m")
    writer = User("guest", frozenset(), {"/": Permission(read="^open$")})
    client = Client(driven, users={"guest": ("guest", writer)})
    client.connect()
    refused(client.subscribe(QUEUE), "access_refused")
    assert driven.bodies() == ["m"]


def test_u4_a_queue_that_may_not_be_made_is_refused(driven: Driven) -> None:
    writer = User("guest", frozenset(), {"/": Permission(configure="^open$")})
    client = Client(driven, users={"guest": ("guest", writer)})
    client.connect()
    refused(client.subscribe(QUEUE), "access_refused")
    assert queues(driven) == {}


def test_u4_subscriptions_of_a_connection_are_limited(driven: Driven) -> None:
    client = Client(driven, replace(settings("rabbitmq"), max_subscriptions=2))
    client.connect()
    client.subscribe(QUEUE, "1")
    client.subscribe(QUEUE, "2")
    refused(client.subscribe(QUEUE, "3"), "Too many subscriptions")
    assert client.do("UNSUBSCRIBE", {"id": "1"}) == []
    assert client.subscribe(QUEUE, "3") == []


# ------------------------------------------------------------------ UNSUBSCRIBE


@pytest.mark.parametrize("version", VERSIONS)
def test_u5_unsubscribe_by_id(driven: Driven, version: str) -> None:
    client = connected(driven, version)
    client.subscribe(QUEUE)
    assert client.do("UNSUBSCRIBE", {"id": "1"}) == []
    publish(driven, "m")
    assert client.read() == []


@pytest.mark.parametrize("ident", [None, "1"])
def test_u5_unsubscribe_by_destination_in_1_0(driven: Driven, ident: str | None) -> None:
    client = connected(driven, "1.0")
    client.subscribe(QUEUE, ident)
    assert client.do("UNSUBSCRIBE", {"destination": QUEUE}) == []
    publish(driven, "m")
    assert client.read() == []


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_u5_unsubscribe_needs_an_id_since_1_1(driven: Driven, version: str) -> None:
    client = connected(driven, version)
    client.subscribe(QUEUE)
    refused(client.do("UNSUBSCRIBE", {"destination": QUEUE}), "Missing id")


def test_u5_unsubscribe_of_nothing_in_1_0(driven: Driven) -> None:
    refused(connected(driven, "1.0").do("UNSUBSCRIBE"), "Missing destination or id")


@pytest.mark.parametrize("version", VERSIONS)
def test_u5_an_unknown_id_is_an_error(driven: Driven, version: str) -> None:
    client = connected(driven, version)
    client.subscribe(QUEUE)
    refused(client.do("UNSUBSCRIBE", {"id": "2"}), "No subscription found")


def test_u6_nothing_comes_after_unsubscribe(client: Client, driven: Driven) -> None:
    publish(driven, "a", "b")
    assert bodies(client.subscribe(QUEUE, ack="client", prefetch_count="1")) == ["a"]
    client.put("UNSUBSCRIBE", {"id": "1", "receipt": "r"})
    driven.publish("c")
    only(client.read(), "RECEIPT")
    assert driven.bodies() == ["b", "c"]


@pytest.mark.parametrize("command", ["ACK", "NACK"])
@pytest.mark.parametrize("mode", ["client", "client-individual"])
def test_u6_what_was_delivered_can_be_settled_after_unsubscribe(driven: Driven, mode: str, command: str) -> None:
    client = connected(driven)
    publish(driven, "a", "b", "c")
    messages = client.subscribe(QUEUE, ack=mode)
    client.do("UNSUBSCRIBE", {"id": "1"})
    assert client.settle(command, messages[0]) == []
    assert client.settle("ACK", messages[1]) == []
    assert driven.bodies() == ([] if command == "ACK" else ["a"])
    client.lose()
    assert driven.bodies() == (["c"] if command == "ACK" else ["a", "c"])


def test_u6_an_ended_subscription_is_not_served_when_its_messages_are_acknowledged(
    client: Client, driven: Driven
) -> None:
    publish(driven, "a", "b")
    messages = client.subscribe(QUEUE, ack="client", prefetch_count="1")
    client.do("UNSUBSCRIBE", {"id": "1"})
    assert client.ack(messages[0]) == []
    assert driven.bodies() == ["b"]


# ------------------------------------------------------------------ several, first answers, selectors


def test_u7_each_subscription_to_a_topic_gets_each_message(client: Client) -> None:
    client.subscribe("/topic/a.*", "1")
    client.subscribe("/topic/#", "2")
    client.subscribe("/topic/b", "3")
    found = client.send("/topic/a.b", "m")
    assert bodies(found) == ["m", "m"]
    assert sorted(frame["subscription"] for frame in found) == ["1", "2"]


def test_u7_subscriptions_to_a_queue_share_its_messages(client: Client, driven: Driven) -> None:
    client.subscribe(QUEUE, "1")
    client.subscribe(QUEUE, "2")
    publish(driven, *"abcd")
    found = client.read()
    assert sorted(bodies(found)) == ["a", "b", "c", "d"]
    assert sorted(frame["subscription"] for frame in found) == ["1", "1", "2", "2"]


def test_u7_in_1_0_a_subscription_without_an_id_has_no_name(driven: Driven) -> None:
    client = connected(driven, "1.0")
    client.subscribe("/topic/t", None)
    client.subscribe("/topic/#", "named")
    found = client.send("/topic/t", "m")
    assert sorted(frame.get("subscription") or "" for frame in found) == ["", "named"]


@pytest.mark.parametrize("destination", [QUEUE, "/topic/t", "/queue/new", "/temp-queue/t"])
def test_u8_the_receipt_comes_before_the_first_message(stored: Driven, destination: str) -> None:
    client = connected(stored)
    publish(stored, "m")
    client.put("SUBSCRIBE", {"destination": destination, "id": "1", "receipt": "r"})
    client.put("SEND", {"destination": destination}, "n")
    frames = [frame.command for frame in client.read()]
    assert frames[0] == "RECEIPT"
    assert "MESSAGE" in frames[1:]


def test_u8_a_queue_is_on_the_disk_before_the_receipt(stored: Driven) -> None:
    client = connected(stored)
    client.put("SUBSCRIBE", {"destination": QUEUE, "id": "1", "receipt": "r"})
    stored.broker.end_turn()
    assert client.take() == []
    only(client.read(), "RECEIPT")
    stored.crash()
    assert "q" in queues(stored)


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("colour = 'red'", ["a"]),
        ("colour <> 'red'", ["b"]),
        ("size > 5", ["b", "c"]),
        ("convert_string_expressions:size > 5", ["b", "c"]),
        ("size IS NULL", ["d"]),
        ("JMSPriority > 4", ["c"]),
        ("colour LIKE 'r%' OR size BETWEEN 6 AND 7", ["a", "b"]),
    ],
)
def test_u9_a_selector_says_which_messages_are_wanted(
    client: Client, driven: Driven, selector: str, selected: list[str]
) -> None:
    client.send(QUEUE, "a", colour="red", size="1")
    client.send(QUEUE, "b", colour="blue", size="7")
    client.send(QUEUE, "c", size="10", priority="9")
    client.send(QUEUE, "d")
    assert bodies(client.subscribe(QUEUE, selector=selector)) == selected
    assert driven.bodies() == [body for body in "abcd" if body not in selected]


@pytest.mark.parametrize("selector", ["colour =", "= 'red'", "a b", "'", "(a = 1"])
def test_u9_a_bad_selector_is_an_error_at_once(client: Client, driven: Driven, selector: str) -> None:
    only(client.subscribe(QUEUE, selector=selector), "ERROR")
    assert client.has_ended()
    assert queues(driven) == {}


def test_u9_a_message_that_nobody_selects_blocks_nobody(client: Client, driven: Driven) -> None:
    client.subscribe(QUEUE, "1", selector="colour = 'red'")
    client.send(QUEUE, "blue", colour="blue")
    found = client.send(QUEUE, "red", colour="red")
    assert bodies(found) == ["red"]
    assert bodies(client.subscribe(QUEUE, "2")) == ["blue"]


# ------------------------------------------------------------------ MESSAGE


@pytest.mark.parametrize("version", VERSIONS)
def test_m1_a_message_names_its_destination_itself_and_its_subscription(driven: Driven, version: str) -> None:
    client = connected(driven, version)
    client.subscribe(QUEUE, "sub")
    first = only(client.send(QUEUE, "m"), "MESSAGE")
    second = only(client.send(QUEUE, "m"), "MESSAGE")
    assert first["destination"] == QUEUE
    assert first["subscription"] == "sub"
    assert first["message-id"] != second["message-id"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mode", ["auto", "client", "client-individual"])
def test_m1_ack_stands_in_messages_of_1_2_that_are_to_be_acknowledged(driven: Driven, version: str, mode: str) -> None:
    client = connected(driven, version)
    publish(driven, "m")
    message = only(client.subscribe(QUEUE, ack=mode), "MESSAGE")
    assert (message.get("ack") is not None) == (version == "1.2" and mode != "auto")


def test_m1_message_ids_differ_over_connections(driven: Driven) -> None:
    publish(driven, "m")
    idents = set()
    for _ in range(3):
        client = connected(driven)
        idents.add(only(client.subscribe(QUEUE, ack="client"), "MESSAGE")["message-id"])
        client.lose()
    assert len(idents) == 3


@pytest.mark.parametrize(
    ("sent", "subscribed"),
    [
        (QUEUE, QUEUE),
        ("/topic/a.b", "/topic/a.*"),
        ("/exchange/amq.direct/k", "/exchange/amq.direct/k"),
        ("/exchange/amq.fanout", "/exchange/amq.fanout"),
        ("/queue/a%2Fb%25%20%C3%A9", "/queue/a%2Fb%25%20%C3%A9"),
    ],
)
def test_m2_the_destination_is_that_of_the_send(client: Client, sent: str, subscribed: str) -> None:
    client.subscribe(subscribed)
    assert only(client.send(sent, "m"), "MESSAGE")["destination"] == sent


@pytest.mark.parametrize("form", ["q", "queue://q", "/amq/queue/q", "/reply-queue/q"])
def test_m2_a_queue_has_the_name_that_it_was_subscribed_by(client: Client, driven: Driven, form: str) -> None:
    publish(driven, "m")
    message = only(client.subscribe(form), "MESSAGE")
    assert message["destination"] == form
    assert client.send(message["destination"], "again") != []


def test_m3_two_subscriptions_have_ids_of_their_own_for_one_message(client: Client) -> None:
    client.subscribe("/topic/t", "1", ack="client")
    client.subscribe("/topic/t", "2", ack="client")
    first, second = client.send("/topic/t", "m")
    assert first["ack"] != second["ack"]
    assert client.ack(first) == []
    assert client.ack(second) == []


def test_m4_what_everybody_shows_is_shown(client: Client) -> None:
    client.subscribe(QUEUE)
    message = only(
        client.send(QUEUE, "body", persistent="true", priority="3", timestamp="1700000000000", expires="1800000000000"),
        "MESSAGE",
    )
    assert message["redelivered"] == "false"
    assert message["timestamp"] == "1700000000000"
    assert message["expires"] == "1800000000000"
    assert message["priority"] == "3"
    assert message["persistent"] == "true"
    assert message["content-length"] == "4"


# ------------------------------------------------------------------ how much at once


@pytest.mark.parametrize("header", ["prefetch-count", "activemq.prefetchSize"])
def test_prefetch_is_how_many_messages_are_held(client: Client, driven: Driven, header: str) -> None:
    publish(driven, *"abcde")
    table = {"destination": QUEUE, "id": "1", "ack": "client-individual", header: "2"}
    found = client.do("SUBSCRIBE", table)
    assert bodies(found) == ["a", "b"]
    assert bodies(client.ack(found[1])) == ["c"]
    assert bodies(client.ack(found[0])) == ["d"]


def test_prefetch_of_0_is_no_limit(client: Client, driven: Driven) -> None:
    publish(driven, *map(str, range(1_500)))
    assert len(client.subscribe(QUEUE, ack="client", prefetch_count="0")) == 1_500


def test_prefetch_is_1000_unless_said_otherwise(client: Client, driven: Driven) -> None:
    publish(driven, *map(str, range(1_500)))
    assert len(client.subscribe(QUEUE, ack="client")) == 1_000


def test_prefetch_does_not_count_in_auto_mode(client: Client, driven: Driven) -> None:
    publish(driven, *"abcde")
    assert bodies(client.subscribe(QUEUE, prefetch_count="2")) == [*"abcde"]


@pytest.mark.parametrize("header", ["prefetch-count", "activemq.prefetchSize", "consumer-window-size", "x-priority"])
def test_limits_are_numbers(client: Client, header: str) -> None:
    table = {"destination": QUEUE, "id": "1", header: "many"}
    refused(client.do("SUBSCRIBE", table), "Invalid header")


@pytest.mark.parametrize(
    ("window", "count"), [("0", 1), ("1", 1), ("10", 1), ("11", 2), ("30", 3), ("31", 4), ("-1", 5)]
)
def test_consumer_window_size_is_octets_that_are_held(client: Client, driven: Driven, window: str, count: int) -> None:
    publish(driven, *(10 * body for body in "abcde"))
    found = client.subscribe(QUEUE, ack="client-individual", consumer_window_size=window)
    assert len(found) == count
    if count < 5:
        assert len(client.ack(found[0])) == 1


def test_a_client_that_does_not_read_is_not_given_more(client: Client, driven: Driven) -> None:
    driven.queue("q")
    client.subscribe(QUEUE)
    client.is_stuck = True
    client.session.writable(False)
    driven.publish("m")
    client.read()
    assert client.session.output == []
    other = connected(driven)
    assert bodies(other.subscribe(QUEUE)) == ["m"]
    driven.publish("n")
    other.lose()
    driven.publish("o")
    client.is_stuck = False
    client.session.writable(True)
    assert "o" in bodies(client.read())


def test_deliveries_stop_while_too_much_is_unsent(client: Client, driven: Driven) -> None:
    driven.queue("q")
    client.subscribe(QUEUE)
    client.is_stuck = True
    for _ in range(100):
        driven.publish("m", size=100_000)
    client.read()
    assert len(client.session.output) < 10
    client.is_stuck = False
    assert len(client.read()) == 100


# ------------------------------------------------------------------ the end of a queue


@pytest.mark.parametrize("dialect", ["spec", "rabbitmq"])
def test_a_subscription_whose_queue_is_deleted_is_told(driven: Driven, dialect: str) -> None:
    client = connected(driven, dialect=dialect)
    client.subscribe(QUEUE)
    driven.operations.delete_queue("q")
    assert refused(client.read(), "Server cancelled subscription")["subscription"] == "1"
    assert client.has_ended() == (dialect == "spec")


def test_what_was_delivered_from_a_deleted_queue_can_be_acknowledged(driven: Driven) -> None:
    client = connected(driven, dialect="rabbitmq")
    publish(driven, "m")
    (message,) = client.subscribe(QUEUE, ack="client")
    driven.operations.delete_queue("q")
    refused(client.read(), "Server cancelled subscription")
    assert client.ack(message) == []
    # The id is free again.
    assert client.subscribe(QUEUE) == []


def test_a_queue_that_the_store_cannot_keep_is_not_subscribed_to(tmp_path: Path) -> None:
    timed = Timed(tmp_path / "store.db")
    client = connected(timed)
    client.put("SUBSCRIBE", {"destination": QUEUE, "id": "1", "receipt": "r"})
    timed.broker.end_turn()
    timed.fail()
    assert refused(client.read(), "Store failure")["receipt-id"] == "r"
    assert client.has_ended()
    client.lose()
    assert all(not queue.consumers for queue in queues(timed).values())


def test_a_queue_that_is_gone_when_the_store_has_it_is_not_subscribed_to(stored: Driven) -> None:
    client = connected(stored)
    client.put("SUBSCRIBE", {"destination": QUEUE, "id": "1", "receipt": "r"})
    stored.operations.delete_queue("q")
    assert refused(client.read(), "not_found")["receipt-id"] == "r"
