"""What each field of a dialect does, and what each dialect does (dialects.py)."""

from __future__ import annotations

from dataclasses import fields

import pytest

from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.protocols.sessions.customs import NO_CUSTOMS, Customs
from batonmq.protocols.stomp import DIALECTS, Dialect
from tests.support.driven import Driven
from tests.support.stomp import Client, Frame, bodies, only, settings

QUEUE = "/queue/q"
NAMES = ("spec", "rabbitmq", "activemq", "artemis")

# What docs say of them, one line a field: spec, rabbitmq, activemq, artemis.
TABLE: dict[str, tuple[object, object, object, object]] = {
    "requires_known_host": (False, True, False, False),
    "ignores_host": (False, False, True, True),
    "echoes_request_id": (False, False, True, True),
    "connects_again": (False, True, False, False),
    "closes_on_error": (True, False, False, False),
    "confirms_transactions_late": (True, True, False, False),
    "names_have_slashes": (False, False, True, True),
    "temp_queues_are_destinations": (True, False, True, True),
    "subscribes_to_replies": (True, True, False, False),
    "has_wildcards": (False, False, True, True),
    "names_queues_as_asked": (True, False, True, True),
    "has_bare_names": (False, False, False, True),
    "has_composites": (False, False, True, False),
    "customs": (
        NO_CUSTOMS,
        NO_CUSTOMS,
        Customs(has_virtual_topics=True, dead_letters="ActiveMQ.DLQ"),
        Customs(dead_letters="DLQ", expired_letters="ExpiryQueue", deliveries_max=10),
    ),
    "is_persistent": (False, False, False, False),
    "forbids_message_id": (False, True, False, False),
    "reply_to_is_bare": (True, False, True, True),
    "shows_defaults": (False, False, True, True),
    "shows_expires": (True, False, True, True),
    "shows_expiration": (True, True, False, False),
    "shows_origin": (False, False, True, True),
    "shows_time": (False, False, True, True),
    "tells_text": (frozenset(), frozenset(), frozenset({"1.0", "1.1", "1.2"}), frozenset({"1.0"})),
    "has_user_ids": (True, True, False, False),
    "shows_persistent": (False, False, False, True),
    "shows_redelivered": (True, True, False, True),
    "requires_id": (True, False, True, True),
    "prefetch": (1_000, 0, 1_000, 0),
    "window": (0, 0, 0, 10_240),
    "no_local": ((), (), ("activemq.noLocal",), ("no-local", "activemq.noLocal")),
    "keeps_unacknowledged": (True, True, False, False),
    "acknowledges_connection": (False, True, False, False),
    "ack_needs_subscription": (True, False, True, True),
    "ack_fails_as_amqp": (False, True, False, False),
    "nack": ("release", "release", "reject", "accept"),
    "nack_is_cumulative": (True, True, False, True),
    "allows_nack_in_10": (False, True, False, False),
    "begins_anew": (False, True, False, False),
    "transactions_max": (1_000, 16, 1_000, 1_000),
    "transaction_frames_max": (50_000, 1_024, 50_000, 50_000),
}

dialects = pytest.mark.parametrize("name", NAMES)


@pytest.mark.parametrize("field", [field.name for field in fields(Dialect) if field.name != "name"])
def test_the_table_of_dialects(field: str) -> None:
    assert tuple(getattr(DIALECTS[name], field) for name in NAMES) == TABLE[field]


def expected(field: str, name: str) -> object:
    return TABLE[field][NAMES.index(name)]


def connected(driven: Driven, name: str, version: str = "1.2", **headers: str) -> Client:
    """A client in that dialect, and the queue `q`."""
    driven.queue("q")
    client = Client(driven, settings(name))
    client.connect(version, **headers)
    return client


def is_error(frames: list[Frame]) -> bool:
    return [frame.command for frame in frames] == ["ERROR"]


# ------------------------------------------------------------------ connecting


@dialects
def test_requires_known_host(driven: Driven, name: str) -> None:
    found = Client(driven, settings(name)).login(host="unknown")
    assert is_error([found]) == expected("requires_known_host", name)


@dialects
def test_ignores_host(driven: Driven, name: str) -> None:
    # A virtual host that is known and that the user may not open.
    driven.broker.add_vhost("closed")
    found = Client(driven, settings(name)).login(host="closed")
    assert is_error([found]) != expected("ignores_host", name)


@dialects
def test_echoes_request_id(driven: Driven, name: str) -> None:
    found = Client(driven, settings(name)).connect(request_id="7")
    assert (found.get("response-id") == "7") == expected("echoes_request_id", name)


# ------------------------------------------------------------------ errors and receipts


@dialects
def test_closes_on_error(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    assert is_error(client.do("WHAT"))
    assert client.has_ended() == expected("closes_on_error", name)
    if not client.has_ended():
        assert only(client.send(QUEUE, "m", receipt="r"), "RECEIPT")["receipt-id"] == "r"


@dialects
def test_closes_when_the_broker_refuses_whatever_the_dialect(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    assert is_error(client.subscribe("/amq/queue/none"))
    assert client.has_ended()


@dialects
def test_confirms_transactions_late(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    client.do("BEGIN", {"transaction": "t"})
    at_once = client.send(QUEUE, "m", transaction="t", receipt="r")
    late = client.do("COMMIT", {"transaction": "t"})
    assert len(at_once) + len(late) == 1
    assert (late != []) == expected("confirms_transactions_late", name)


# ------------------------------------------------------------------ destinations


@dialects
def test_names_have_slashes(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    found = client.subscribe("/queue/a/b")
    assert is_error(found) != expected("names_have_slashes", name)
    if not is_error(found):
        assert "a/b" in driven.broker.vhosts["/"].queues
        assert only(client.send("/queue/a/b", "m"), "MESSAGE")["destination"] == "/queue/a/b"


@dialects
def test_temp_queues_are_destinations(driven: Driven, name: str) -> None:
    for command in ("SEND", "SUBSCRIBE"):
        found = connected(driven, name).do(command, {"destination": "/temp-queue/t", "id": "1"})
        assert is_error(found) != expected("temp_queues_are_destinations", name)


@dialects
def test_subscribes_to_replies(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    client.send(QUEUE, "question", reply_to="/temp-queue/t")
    other = connected(driven, name)
    other.send(only(other.subscribe(QUEUE), "MESSAGE")["reply-to"], "answer")
    assert (bodies(client.read()) == ["answer"]) == expected("subscribes_to_replies", name)
    if not expected("subscribes_to_replies", name):
        assert bodies(client.subscribe("/temp-queue/t")) == ["answer"]


@dialects
def test_has_wildcards(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    client.subscribe("/topic/a.>")
    assert (bodies(client.send("/topic/a.b.c", "m")) == ["m"]) == expected("has_wildcards", name)


@dialects
def test_names_queues_as_asked(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    client.subscribe("/amq/queue/q")
    shown = only(client.send(QUEUE, "m"), "MESSAGE")["destination"]
    assert shown == ("/amq/queue/q" if expected("names_queues_as_asked", name) else QUEUE)


# ------------------------------------------------------------------ messages


@dialects
def test_is_persistent(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    client.subscribe(QUEUE)
    message = only(client.send(QUEUE, "m"), "MESSAGE")
    assert (message.get("persistent") == "true") == expected("is_persistent", name)


def test_is_persistent_is_the_default_of_messages(driven: Driven) -> None:
    driven.queue("q")
    client = Client(driven, settings("spec", is_persistent=True))
    client.connect()
    client.subscribe(QUEUE)
    assert only(client.send(QUEUE, "m"), "MESSAGE")["persistent"] == "true"


@dialects
def test_forbids_message_id(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    found = client.send(QUEUE, "m", message_id="x")
    assert is_error(found) == expected("forbids_message_id", name)
    if not is_error(found):
        queued = driven.operations.find_queue("q").get()
        assert queued is not None
        assert queued.message.properties.message_id == "x"


@dialects
def test_reply_to_is_bare(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    client.send(QUEUE, "m", reply_to="/queue/answers")
    queued = driven.operations.find_queue("q").get()
    assert queued is not None
    assert queued.message.properties.reply_to == ("answers" if expected("reply_to_is_bare", name) else "/queue/answers")


@dialects
def test_shows_defaults(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    client.subscribe(QUEUE)
    message = only(client.send(QUEUE, "m"), "MESSAGE")
    found = (message.get("priority"), message.get("expires"))
    assert found == (("4", "0") if expected("shows_defaults", name) else (None, None))


@dialects
def test_shows_persistent(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    client.subscribe(QUEUE)
    message = only(client.send(QUEUE, "m"), "MESSAGE")
    assert (message.get("persistent") == "false") == expected("shows_persistent", name)
    assert only(client.send(QUEUE, "m", persistent="true"), "MESSAGE")["persistent"] == "true"


@dialects
def test_shows_redelivered(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    message = only(client.subscribe(QUEUE, ack="client") + client.send(QUEUE, "m"), "MESSAGE")
    assert (message.get("redelivered") == "false") == expected("shows_redelivered", name)
    assert only(client.nack(message, requeue="true"), "MESSAGE")["redelivered"] == "true"


# ------------------------------------------------------------------ subscriptions


@dialects
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_requires_id(driven: Driven, name: str, version: str) -> None:
    client = connected(driven, name, version)
    found = client.subscribe(QUEUE, None)
    assert is_error(found) == expected("requires_id", name)
    if not is_error(found):
        assert bodies(client.send(QUEUE, "m")) == ["m"]
        assert client.do("UNSUBSCRIBE", {"destination": QUEUE}) == []


@dialects
def test_prefetch(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    for _ in range(1_100):
        driven.publish("")
    count = len(client.subscribe(QUEUE, ack="client"))
    assert count == (expected("prefetch", name) or 1_100)


@dialects
def test_window(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    for _ in range(20):
        driven.publish("m", size=1_024)
    count = len(client.subscribe(QUEUE, ack="client"))
    assert count == (10 if expected("window", name) else 20)


@pytest.mark.parametrize(("name", "count"), [("spec", 3), ("rabbitmq", 3), ("activemq", 3), ("artemis", 1)])
def test_prefetch_size_is_octets_for_artemis_and_messages_for_others(driven: Driven, name: str, count: int) -> None:
    client = connected(driven, name)
    for _ in range(5):
        driven.publish("four")
    found = client.do("SUBSCRIBE", {"destination": QUEUE, "id": "1", "ack": "client", "activemq.prefetchSize": "3"})
    assert len(found) == count


@dialects
def test_keeps_unacknowledged(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    driven.publish("m")
    (message,) = client.subscribe(QUEUE, ack="client")
    client.do("UNSUBSCRIBE", {"id": "1"})
    keeps = expected("keeps_unacknowledged", name)
    assert (driven.bodies() == []) == keeps
    assert (client.ack(message) == []) == keeps


@dialects
def test_what_an_abort_gives_back_to_an_ended_subscription(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    driven.publish("m")
    (message,) = client.subscribe(QUEUE, ack="client")
    client.do("BEGIN", {"transaction": "t"})
    client.ack(message, transaction="t")
    client.do("UNSUBSCRIBE", {"id": "1"})
    client.do("ABORT", {"transaction": "t"})
    assert (driven.bodies() == []) == expected("keeps_unacknowledged", name)


# ------------------------------------------------------------------ acknowledging


@dialects
def test_acknowledges_connection(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    driven.queue("other")
    driven.publish("o", queue="other")
    client.subscribe("/queue/other", "2", ack="client")
    driven.publish("m")
    (message,) = client.subscribe(QUEUE, ack="client")
    assert client.ack(message) == []
    client.lose()
    assert (driven.bodies("other") == []) == expected("acknowledges_connection", name)
    assert driven.bodies() == []


def test_acknowledges_connection_leaves_individual_ones_to_themselves(driven: Driven) -> None:
    client = connected(driven, "rabbitmq")
    for body in "abc":
        driven.publish(body)
    messages = client.subscribe(QUEUE, ack="client-individual")
    client.ack(messages[1])
    client.lose()
    assert driven.bodies() == ["a", "c"]


@dialects
def test_nack(driven: Driven, name: str) -> None:
    driven.queue("dead")
    driven.queue("work", x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    client = connected(driven, name)
    driven.publish("m", queue="work")
    (message,) = client.subscribe("/queue/work", ack="client-individual")
    again = bodies(client.nack(message))
    assert (again, driven.bodies("dead")) == {
        "release": (["m"], []),
        "reject": ([], ["m"]),
        "accept": ([], []),
    }[str(expected("nack", name))]


@dialects
def test_nack_is_cumulative(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    for body in "abc":
        driven.publish(body)
    messages = client.subscribe(QUEUE, ack="client")
    found = client.nack(messages[1], requeue="true")
    assert bodies(found) == (["a", "b"] if expected("nack_is_cumulative", name) else ["b"])


@dialects
def test_allows_nack_in_1_0(driven: Driven, name: str) -> None:
    client = connected(driven, name, "1.0")
    driven.publish("m")
    (message,) = client.subscribe(QUEUE, ack="client")
    assert is_error(client.nack(message)) != expected("allows_nack_in_10", name)


# ------------------------------------------------------------------ transactions


@dialects
def test_begins_anew(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    client.do("BEGIN", {"transaction": "t"})
    client.send(QUEUE, "first", transaction="t")
    found = client.do("BEGIN", {"transaction": "t"})
    assert is_error(found) != expected("begins_anew", name)
    if not is_error(found):
        client.send(QUEUE, "second", transaction="t")
        client.do("COMMIT", {"transaction": "t"})
        assert driven.bodies() == ["second"]


@dialects
def test_transactions_max(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    most = DIALECTS[name].transactions_max
    for number in range(most):
        client.put("BEGIN", {"transaction": str(number)})
    assert client.read() == []
    assert is_error(client.do("BEGIN", {"transaction": "more"}))


@dialects
def test_transaction_frames_max(driven: Driven, name: str) -> None:
    client = connected(driven, name)
    client.do("BEGIN", {"transaction": "t"})
    data = b"SEND\ndestination:/queue/q\ntransaction:t\n\n\0"
    assert client.feed(data * DIALECTS[name].transaction_frames_max) == []
    assert is_error(client.feed(data))


# ------------------------------------------------------------------ names alone


@pytest.mark.parametrize("prefix", ["jms.queue.", "queue://", ""])
def test_artemis_names_of_queues(driven: Driven, prefix: str) -> None:
    client = connected(driven, "artemis")
    driven.publish("m")
    assert bodies(client.subscribe(f"{prefix}q")) == ["m"]


@pytest.mark.parametrize("header", [{}, {"subscription-type": "ANYCAST"}])
def test_artemis_a_bare_name_is_a_queue(driven: Driven, header: dict[str, str]) -> None:
    client = connected(driven, "artemis")
    driven.publish("m")
    assert bodies(client.do("SUBSCRIBE", {"destination": "q", "id": "1", **header})) == ["m"]


def test_artemis_a_bare_name_can_be_a_topic(driven: Driven) -> None:
    client = connected(driven, "artemis")
    for ident in "12":
        client.do("SUBSCRIBE", {"destination": "news", "id": ident, "subscription-type": "MULTICAST"})
    found = client.do("SEND", {"destination": "news", "destination-type": "MULTICAST"}, "m")
    assert bodies(found) == ["m", "m"]


def test_a_message_of_amqp_is_shown_with_its_priority_in_every_dialect(driven: Driven) -> None:
    driven.queue("q")
    route = driven.operations.resolve("", "q")
    for name in NAMES:
        client = connected(driven, name)
        client.subscribe(QUEUE)
        driven.operations.vhost.router.publish(message_of(priority=7), route.targets)
        assert only(client.read(), "MESSAGE")["priority"] == "7"
        client.lose()


def message_of(*, priority: int) -> Message:
    return Message("", "q", Properties.make(priority=priority), b"m")
