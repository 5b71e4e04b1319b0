"""Addresses: which exchange, key or queue each means, by dialect and capabilities, with escapes and what is none."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from batonmq.protocols.amqp10.dialects import ACTIVEMQ, ARTEMIS, DIALECTS, RABBITMQ, SPEC, Dialect
from batonmq.protocols.amqp10.nodes.addresses import (
    EXCHANGE,
    EXISTING,
    QUEUE,
    TOPIC,
    Address,
    AddressError,
    parse_address,
    shown_temporary,
)
from batonmq.protocols.sessions.topics import TOPIC_EXCHANGE

# Those that know RabbitMQ's addresses, and those that know ActiveMQ's.
SLASHED = (SPEC, RABBITMQ)
SCHEMED = (SPEC, ACTIVEMQ, ARTEMIS)

each_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
each_slashed = pytest.mark.parametrize("dialect", SLASHED, ids=[dialect.name for dialect in SLASHED])
each_schemed = pytest.mark.parametrize("dialect", SCHEMED, ids=[dialect.name for dialect in SCHEMED])


def refused(text: str, dialect: Dialect, *capabilities: str) -> str:
    with pytest.raises(AddressError) as caught:
        parse_address(text, dialect, capabilities)
    return str(caught.value)


# ------------------------------------------------------------------ RabbitMQ's


@each_slashed
@pytest.mark.parametrize(
    ("text", "kind", "exchange", "key"),
    [
        ("/queues/q", EXISTING, "", "q"),
        ("/queues/a%2Fb%20c", EXISTING, "", "a/b c"),
        ("/queues/%C3%A4%F0%9F%90%87", EXISTING, "", "ä🐇"),
        ("/queues/ä", EXISTING, "", "ä"),
        ("/queues/a%2525", EXISTING, "", "a%25"),
        ("/queue/q", QUEUE, "", "q"),
        ("/amq/queue/q", EXISTING, "", "q"),
        ("/topic/a.*.b", EXCHANGE, TOPIC_EXCHANGE, "a.*.b"),
        ("/topic/a.>", EXCHANGE, TOPIC_EXCHANGE, "a.>"),
        ("/exchanges/e", EXCHANGE, "e", ""),
        ("/exchanges/e/", EXCHANGE, "e", ""),
        ("/exchanges/e/k", EXCHANGE, "e", "k"),
        ("/exchanges/%2F/a%2Fb", EXCHANGE, "/", "a/b"),
        ("/exchange/e/k", EXCHANGE, "e", "k"),
        ("/exchange/e", EXCHANGE, "e", None),
    ],
)
def test_what_begins_with_a_slash(dialect: Dialect, text: str, kind: str, exchange: str, key: str | None) -> None:
    assert parse_address(text, dialect) == Address(text, kind, exchange, key)


@each_slashed
@pytest.mark.parametrize(
    "text",
    [
        "/",
        "/queues",
        "/queues/",
        "/queues/q/r",
        "/queues/q/",
        "/queue/",
        "/queue/a/b",
        "/amq/queue",
        "/amq/queue/",
        "/amq/queues/q",
        "/topic",
        "/topic/",
        "/exchanges",
        "/exchanges/",
        "/exchanges//k",
        "/exchanges/amq.default/q",
        "/exchanges/amq%2Edefault",
        "/exchanges/e/k/x",
        "/exchange/amq.default/q",
        "/Queues/q",
        "/nowhere/q",
        "//queues/q",
    ],
)
def test_what_is_no_address_is_refused(dialect: Dialect, text: str) -> None:
    assert text in refused(text, dialect)


@each_slashed
@pytest.mark.parametrize("bad", ["%", "%4", "%4g", "a%", "%%41", "%+1", "% 1", "%FF", "%C3", "%ED%A0%80"])
def test_bad_escapes_are_refused(dialect: Dialect, bad: str) -> None:
    refused(f"/queues/{bad}", dialect)
    refused(f"/exchanges/e/{bad}", dialect)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=60))
def test_every_name_has_an_address(name: str) -> None:
    escaped = quote(name, safe="")
    assert parse_address(f"/queues/{escaped}", SPEC).routing_key == name
    assert parse_address(f"/exchanges/e/{escaped}", SPEC).routing_key == name
    assert parse_address(shown_temporary(name, RABBITMQ), RABBITMQ).routing_key == name


@given(st.text())
def test_whatever_comes_is_an_address_or_none(text: str) -> None:
    for dialect in DIALECTS.values():
        for capability in ("queue", "topic", "temporary-queue"):
            with suppress(AddressError):
                found = parse_address(text, dialect, [capability])
                assert found.text == text
                assert found.routing_key or found.kind == EXCHANGE


@each_dialect
def test_names_are_those_of_0_9_1(dialect: Dialect) -> None:
    assert parse_address("ä" * 127, dialect).routing_key == "ä" * 127
    assert "longer than 255" in refused("ä" * 128, dialect)
    assert "end of line" in refused("a\nb", dialect)


# ------------------------------------------------------------------ ActiveMQ's


@each_schemed
@pytest.mark.parametrize(
    ("text", "kind", "exchange", "key"),
    [
        ("queue://q", QUEUE, "", "q"),
        ("queue://a/b%20", QUEUE, "", "a/b%20"),
        ("temp-queue://q", EXISTING, "", "q"),
        ("topic://a.b", TOPIC, TOPIC_EXCHANGE, "a.b"),
        ("topic://a.>", TOPIC, TOPIC_EXCHANGE, "a.#"),
        ("temp-topic://t", TOPIC, TOPIC_EXCHANGE, "t"),
    ],
)
def test_schemes(dialect: Dialect, text: str, kind: str, exchange: str, key: str) -> None:
    assert parse_address(text, dialect) == Address(text, kind, exchange, key)
    # A scheme counts more than a capability.
    assert parse_address(text, dialect, ["queue", "topic"]) == Address(text, kind, exchange, key)


@each_schemed
@pytest.mark.parametrize(
    ("capability", "kind", "exchange"),
    [
        ("queue", QUEUE, ""),
        ("topic", TOPIC, TOPIC_EXCHANGE),
        ("temporary-queue", EXISTING, ""),
        ("temporary-topic", TOPIC, TOPIC_EXCHANGE),
    ],
)
def test_a_capability_tells_what_a_bare_name_is_of(dialect: Dialect, capability: str, kind: str, exchange: str) -> None:
    assert parse_address("a.b", dialect, [capability]) == Address("a.b", kind, exchange, "a.b")


@each_schemed
@pytest.mark.parametrize("text", ["", "queue://", "topic://"])
def test_empty_names_are_refused(dialect: Dialect, text: str) -> None:
    refused(text, dialect)


def test_a_bare_name_is_a_queue() -> None:
    assert parse_address("a/b", SPEC) == Address("a/b", QUEUE, "", "a/b")
    assert parse_address("a%2Fb", RABBITMQ) == Address("a%2Fb", QUEUE, "", "a/b")
    assert parse_address("topic://x", SPEC).kind == TOPIC
    refused("topic://x", RABBITMQ)
    refused("a/b", RABBITMQ)
    assert parse_address("/queues/q", ACTIVEMQ) == Address("/queues/q", QUEUE, "", "/queues/q")
    assert parse_address("q", RABBITMQ, ["topic"]) == Address("q", QUEUE, "", "q")


def test_a_bare_name_of_artemis_may_be_a_topic() -> None:
    assert parse_address("a", ARTEMIS) == Address("a", QUEUE, "", "a", may_be_topic=True)
    assert parse_address("a%41", ARTEMIS).routing_key == "a%41"
    assert parse_address("a.*", ARTEMIS) == Address("a.*", TOPIC, TOPIC_EXCHANGE, "a.*")
    assert parse_address("a.#", ARTEMIS) == Address("a.#", TOPIC, TOPIC_EXCHANGE, "a.#")
    assert parse_address("a.*", ARTEMIS, ["queue"]) == Address("a.*", QUEUE, "", "a.*")


@pytest.mark.parametrize("dialect", [SPEC, ARTEMIS])
def test_a_queue_and_its_topic(dialect: Dialect) -> None:
    expected = Address("news.>::mine", QUEUE, "", "mine", topic="news.#")
    assert parse_address("news.>::mine", dialect) == expected
    refused("::mine", dialect)
    refused("news::", dialect)


def test_several_queues_in_one_address_are_refused() -> None:
    for text in ("a,b", "queue://a,b", "a.>", "queue://a.*"):
        assert "several queues" in refused(text, ACTIVEMQ)
    assert parse_address("Consumer.a.VirtualTopic.>", ACTIVEMQ).kind == QUEUE
    assert parse_address("a,b", SPEC).routing_key == "a,b"


# ------------------------------------------------------------------ what is shown


@pytest.mark.parametrize(
    ("dialect", "queue", "topic"),
    [
        (SPEC, "/queues/a%20b", "topic://a b"),
        (ACTIVEMQ, "temp-queue://a b", "temp-topic://a b"),
        (ARTEMIS, "a b", "a b"),
    ],
)
def test_the_addresses_of_temporary_nodes(dialect: Dialect, queue: str, topic: str) -> None:
    assert shown_temporary("a b", dialect) == queue
    assert shown_temporary("a b", dialect, is_topic=True) == topic
    assert parse_address(queue, dialect, ["temporary-queue"]).routing_key == "a b"
    assert parse_address(topic, dialect, ["temporary-topic"]) == Address(topic, TOPIC, TOPIC_EXCHANGE, "a b")
