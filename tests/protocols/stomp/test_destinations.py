"""Destinations: which exchange, key or queue each kind means, with escapes and by dialect, and the way back."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from batonmq.protocols.sessions.topics import TOPIC_EXCHANGE
from batonmq.protocols.stomp.destinations import (
    EXCHANGE,
    EXISTING,
    QUEUE,
    REPLY,
    TEMPORARY,
    Destination,
    parse_destination,
    quoted,
    shown_address,
)
from batonmq.protocols.stomp.dialects import ACTIVEMQ, ARTEMIS, DIALECTS, RABBITMQ, SPEC, Dialect
from batonmq.protocols.stomp.failures import StompFailure

ALL = tuple(DIALECTS.values())
# Those that have escapes for slashes, and those that have slashes in names.
ESCAPING = (SPEC, RABBITMQ)
SLASHING = (ACTIVEMQ, ARTEMIS)

each_dialect = pytest.mark.parametrize("dialect", ALL, ids=list(DIALECTS))
each_escaping = pytest.mark.parametrize("dialect", ESCAPING, ids=[dialect.name for dialect in ESCAPING])
each_slashing = pytest.mark.parametrize("dialect", SLASHING, ids=[dialect.name for dialect in SLASHING])

# Any name that a client of any protocol can give to a queue.
NAMES = st.binary(min_size=1, max_size=60).map(lambda data: data.decode(errors="surrogateescape")) | st.text(
    "aä/%.>,#* \n\0", min_size=1, max_size=20
)


def parse(text: str, dialect: Dialect = SPEC, **headers: str) -> Destination:
    return parse_destination(text, dialect, {name.replace("_", "-"): value for name, value in headers.items()})


def failure(text: str, dialect: Dialect = SPEC) -> tuple[str, str]:
    with pytest.raises(StompFailure) as caught:
        parse(text, dialect)
    return caught.value.message, caught.value.detail


# ---------------------------------------------------------------------- kinds


@each_dialect
@pytest.mark.parametrize("text", ["/queue/a.b", "queue://a.b", "a.b"])
def test_a_shared_queue_is_named_in_three_ways(text: str, dialect: Dialect) -> None:
    found = parse(text, dialect)
    assert (found.kind, found.exchange, found.routing_key) == (QUEUE, "", "a.b")
    # Artemis has one name for both.
    assert found.may_be_topic == (dialect is ARTEMIS and text == "a.b")


@each_dialect
@pytest.mark.parametrize("text", ["/topic/a.*.b", "topic://a.*.b"])
def test_a_topic_is_a_key_of_the_exchange_for_topics(text: str, dialect: Dialect) -> None:
    assert parse(text, dialect) == Destination(text, EXCHANGE, TOPIC_EXCHANGE, "a.*.b")


@each_dialect
@pytest.mark.parametrize(
    ("text", "kind", "exchange", "key"),
    [
        ("/exchange/x", EXCHANGE, "x", ""),
        ("/exchange/x/", EXCHANGE, "x", ""),
        ("/exchange/x/a.#", EXCHANGE, "x", "a.#"),
        ("/exchange/amq.topic/a", EXCHANGE, "amq.topic", "a"),
        ("/amq/queue/a", EXISTING, "", "a"),
        ("/reply-queue/amq.gen-1", REPLY, "", "amq.gen-1"),
        ("/remote-temp-queue/amq.gen-1", REPLY, "", "amq.gen-1"),
        ("/temp-queue/a", TEMPORARY, "", "a"),
    ],
)
def test_the_other_kinds(text: str, kind: str, exchange: str, key: str, dialect: Dialect) -> None:
    assert parse(text, dialect) == Destination(text, kind, exchange, key)


@each_dialect
def test_everything_after_reply_queue_is_the_name(dialect: Dialect) -> None:
    assert parse("/reply-queue/a/b%2Fc", dialect).routing_key == "a/b%2Fc"


def test_bare_names_of_artemis_are_topics_where_the_frame_says_so() -> None:
    topic = Destination("a.b", EXCHANGE, TOPIC_EXCHANGE, "a.b")
    assert parse("a.b", ARTEMIS, destination_type="MULTICAST") == topic
    assert parse("a.b", ARTEMIS, subscription_type="MULTICAST") == topic
    for kind in ("ANYCAST", "multicast", ""):
        assert parse("a.b", ARTEMIS, destination_type=kind).kind == QUEUE
    assert parse("/queue/a.b", ARTEMIS, destination_type="MULTICAST").kind == QUEUE


def test_artemis_has_the_names_of_its_old_clients() -> None:
    assert parse("jms.queue.a", ARTEMIS) == Destination("jms.queue.a", QUEUE, "", "a")
    assert parse("jms.topic.a", ARTEMIS) == Destination("jms.topic.a", EXCHANGE, TOPIC_EXCHANGE, "a")
    for dialect in (SPEC, RABBITMQ, ACTIVEMQ):
        assert parse("jms.topic.a", dialect) == Destination("jms.topic.a", QUEUE, "", "jms.topic.a")


@each_slashing
def test_a_word_of_a_topic_that_is_the_others_wildcard_becomes_ours(dialect: Dialect) -> None:
    for text in ("/topic/a.*.>", "topic://a.*.>"):
        assert parse(text, dialect).routing_key == "a.*.#"
    assert parse("/topic/>", dialect).routing_key == "#"
    assert parse("/topic/a>b.c>", dialect).routing_key == "a>b.c>"
    assert parse("/queue/a.>", dialect).routing_key == "a.>"


@each_escaping
def test_elsewhere_it_is_a_character_like_any_other(dialect: Dialect) -> None:
    assert parse("/topic/a.>", dialect).routing_key == "a.>"


# ---------------------------------------------------------------------- escapes


@each_dialect
@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("100%25", "100%"),
        ("%252F", "%2F"),
        ("100%", "100%"),
        ("%zz%2", "%zz%2"),
        ("%C3%BC", "ü"),
        ("ü%C3%BC", "üü"),
        ("%FF", "\udcff"),
        ("%00%0A", "\0\n"),
    ],
)
def test_octets_may_be_escaped_and_what_is_no_escape_stays(written: str, name: str, dialect: Dialect) -> None:
    for form in ("/queue/{}", "/topic/{}", "/amq/queue/{}", "/temp-queue/{}", "/exchange/x/{}", "queue://{}", "{}"):
        assert parse(form.format(written), dialect).routing_key == name
    assert parse(f"/exchange/{written}/k", dialect).exchange == name


@each_slashing
def test_names_have_slashes_in_some_dialects(dialect: Dialect) -> None:
    for form in ("/queue/{}", "/topic/{}", "/amq/queue/{}", "/temp-queue/{}", "/exchange/x/{}", "queue://{}", "{}"):
        assert parse(form.format("a/b//c"), dialect).routing_key == "a/b//c"
    assert parse("/queue//a", dialect).routing_key == "/a"


@each_dialect
@given(data=st.data())
def test_an_address_that_is_shown_is_understood_again(dialect: Dialect, data: st.DataObject) -> None:
    name, exchange = data.draw(NAMES), data.draw(NAMES)
    queue = parse(shown_address("", name, dialect), dialect)
    assert (queue.kind, queue.exchange, queue.routing_key) == (QUEUE, "", name)
    bound = parse(shown_address(exchange, name, dialect), dialect)
    assert (bound.kind, bound.exchange, bound.routing_key) == (EXCHANGE, exchange, name)
    topic = name.replace(">", ".")
    bound = parse(shown_address(TOPIC_EXCHANGE, topic, dialect), dialect)
    assert (bound.kind, bound.exchange, bound.routing_key) == (EXCHANGE, TOPIC_EXCHANGE, topic)


@each_dialect
def test_addresses_are_shown_in_the_shortest_form(dialect: Dialect) -> None:
    assert shown_address("", "a.b", dialect) == "/queue/a.b"
    assert shown_address("amq.topic", "a.b", dialect) == "/topic/a.b"
    assert shown_address("amq.topic", "", dialect) == "/exchange/amq.topic"
    assert shown_address("x", "a.b", dialect) == "/exchange/x/a.b"
    assert shown_address("x", "", dialect) == "/exchange/x"
    assert shown_address("", "ü %", dialect) == "/queue/%C3%BC %25"


def test_slashes_are_shown_as_the_dialect_writes_them() -> None:
    assert [shown_address("x/y", "a/b", dialect) for dialect in (SPEC, RABBITMQ, ACTIVEMQ, ARTEMIS)] == [
        "/exchange/x%2Fy/a%2Fb",
        "/exchange/x%2Fy/a%2Fb",
        "/exchange/x%2Fy/a/b",
        "/exchange/x%2Fy/a/b",
    ]


def test_a_comma_is_escaped_where_it_would_part_two_destinations() -> None:
    assert shown_address("", "a,b", ACTIVEMQ) == "/queue/a%2Cb"
    assert shown_address("", "a,b", SPEC) == "/queue/a,b"


def test_a_name_is_quoted_octet_by_octet_where_it_is_not_printable_ascii() -> None:
    assert quoted("a b~!$&.0") == "a b~!$&.0"
    assert quoted("/%ü\n\x7f\udcff") == "%2F%25%C3%BC%0A%7F%FF"


# ---------------------------------------------------------------------- faults


@each_dialect
@pytest.mark.parametrize("text", ["/", "/x", "/queues/a", "/temp-topic/a", "/amq/x/a", "/reply-queue", "//a"])
def test_what_begins_like_nothing_known_is_an_error(text: str, dialect: Dialect) -> None:
    message, detail = failure(text, dialect)
    assert (message, detail.splitlines()[0]) == ("Unknown destination", f"'{text}' is not a valid destination.")


@each_dialect
@pytest.mark.parametrize("rest", ["", "/"])
@pytest.mark.parametrize("kind", ["queue", "topic", "exchange", "temp-queue"])
def test_a_name_has_to_be_there(kind: str, rest: str, dialect: Dialect) -> None:
    named = kind.replace("-", "_")
    assert failure(f"/{kind}{rest}", dialect) == ("Invalid destination", f"'{rest}' is not a valid {named} destination")


@each_dialect
@pytest.mark.parametrize("text", ["", "queue://", "topic://"])
def test_nothing_is_no_destination(text: str, dialect: Dialect) -> None:
    assert failure(text, dialect)[0] == "Invalid destination"


@each_escaping
@pytest.mark.parametrize(
    ("text", "shown", "kind"),
    [
        ("/queue/bah/baz", "/bah/baz", "queue"),
        ("/queue//foo", "//foo", "queue"),
        ("/queue/foo/", "/foo/", "queue"),
        ("/topic/bah/baz", "/bah/baz", "topic"),
        ("/amq/queue/a/b", "/a/b", "amqqueue"),
        ("/temp-queue/a/b", "/a/b", "temp_queue"),
        ("/exchange//k", "//k", "exchange"),
        ("/exchange/x/a/b", "/x/a/b", "exchange"),
    ],
)
def test_more_slashes_than_the_kind_has_are_an_error(text: str, shown: str, kind: str, dialect: Dialect) -> None:
    assert failure(text, dialect) == ("Invalid destination", f"'{shown}' is not a valid {kind} destination")


@each_escaping
def test_a_bare_name_has_none_either(dialect: Dialect) -> None:
    assert failure("a/b", dialect)[0] == "Unknown destination"
    assert failure("queue://a/b", dialect) == ("Invalid destination", "'/a/b' is not a valid queue destination")
    assert failure("topic://a/b", dialect) == ("Invalid destination", "'/a/b' is not a valid topic destination")


def test_elsewhere_a_comma_is_a_character_like_any_other() -> None:
    assert parse("/queue/a,b").routing_key == "a,b"


@each_dialect
@pytest.mark.parametrize("form", ["/queue/{}", "{}", "queue://{}", "/topic/{}", "/exchange/{}/k", "/exchange/x/{}"])
def test_names_have_255_octets_at_most(form: str, dialect: Dialect) -> None:
    """AMQP 0-9-1 section 4.2.5.3: what other clients could not be told must not be there."""
    parse(form.format("a" * 255), dialect)
    parse(form.format("%C3%BC" * 127), dialect)
    for name in ("a" * 256, "ü" * 128, "%C3%BC" * 128):
        message, detail = failure(form.format(name), dialect)
        assert message == "Invalid destination"
        assert "longer than 255 octets" in detail
