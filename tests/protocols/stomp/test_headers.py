"""Headers of SEND as properties of a message, and properties as headers of MESSAGE (STOMP 1.2 "SEND", "MESSAGE")."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from batonmq.broker.features.publish_headers import DEDUPLICATION, DELAY, DELIVER_AT
from batonmq.fields import FieldValue, LongLong, LongString, Timestamp
from batonmq.properties import EMPTY, Properties
from batonmq.protocols.stomp.dialects import ACTIVEMQ, ARTEMIS, DIALECTS, RABBITMQ, SPEC, Dialect
from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.headers import FRAME_HEADERS, TEXTS, WISHES, flag, integer
from batonmq.protocols.stomp.message_headers import shown_headers
from batonmq.protocols.stomp.properties import SPECIAL, properties_of

each_dialect = pytest.mark.parametrize("dialect", list(DIALECTS.values()), ids=list(DIALECTS))
each_text = pytest.mark.parametrize(("name", "attribute"), list(TEXTS.items()))

# As STOMP 1.0 may bring it, which knows no encoding.
RAW = "\udcff\udcfe"


def properties(dialect: Dialect = SPEC, *, persistent: bool = False, **headers: str) -> Properties:
    return properties_of(
        {name.replace("_", "-"): value for name, value in headers.items()}, dialect, persistent=persistent
    )


def of(headers: dict[str, str], dialect: Dialect = SPEC) -> Properties:
    return properties_of(headers, dialect, persistent=False)


def shown(values: Properties, dialect: Dialect = SPEC) -> dict[str, str]:
    headers = shown_headers(values, dialect)
    assert len(dict(headers)) == len(headers), "a header is shown twice"
    return dict(headers)


def shown_fields(table: dict[str, FieldValue], dialect: Dialect = SPEC) -> dict[str, str]:
    return shown(Properties.make(headers=table), dialect)


def failure(headers: dict[str, str]) -> str:
    with pytest.raises(StompFailure) as caught:
        of(headers)
    assert caught.value.message == "Invalid header"
    return caught.value.detail


# ---------------------------------------------------------------------- there and back


@each_dialect
def test_no_headers_are_no_properties(dialect: Dialect) -> None:
    assert of({}, dialect) == EMPTY


@each_text
@pytest.mark.parametrize("value", ["", "a", "ü" * 127, "x" * 255, RAW])
def test_a_property_of_text_goes_both_ways(value: str, name: str, attribute: str) -> None:
    found = of({name: value})
    assert getattr(found, attribute) == value
    assert found.headers is None
    assert shown(found) == {name: value}


@each_text
@pytest.mark.parametrize("value", ["x" * 256, "ü" * 128, "x" * 70_000, RAW * 128])
def test_a_value_above_255_octets_stays_a_header_and_goes_both_ways(value: str, name: str, attribute: str) -> None:
    found = of({name: value})
    assert getattr(found, attribute) is None
    assert shown(found) == {name: value}


def test_s2_every_other_header_is_one_of_amqp_and_goes_both_ways() -> None:
    sent = {"a": "b", "x-y": "1", "Destination": "c", "ü:\n": "\U0001f600", "long": "x" * 70_000, "raw": RAW}
    found = of(sent)
    assert found.headers == {**sent, "raw": LongString(b"\xff\xfe")}
    assert shown(found) == sent


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).filter(
    lambda name: name not in {*FRAME_HEADERS, *SPECIAL, *WISHES, *WISHES.values()}
)
# Text as it comes in 1.1 and 1.2, or any octets, as in 1.0.
VALUES = st.text(st.characters(codec="utf-8"), max_size=300) | st.binary(max_size=20).map(
    lambda data: data.decode(errors="surrogateescape")
)


@each_dialect
@given(sent=st.dictionaries(NAMES | st.sampled_from(list(TEXTS)), VALUES, max_size=5))
def test_s2_headers_reach_the_subscriber_unchanged(dialect: Dialect, sent: dict[str, str]) -> None:
    found = shown(of(sent, dialect), dialect)
    for name in ("priority", "persistent", "timestamp"):
        # Shown by some whether set or not.
        found.pop(name, None)
    assert found == sent


@each_dialect
@pytest.mark.parametrize("name", sorted(FRAME_HEADERS - {"message-id"}))
def test_s2_what_belongs_to_the_frame_is_not_the_messages(name: str, dialect: Dialect) -> None:
    assert of({name: "1"}, dialect) == EMPTY
    assert name not in shown_fields({name: "1", "other": "1"}, dialect)


def test_message_id_becomes_that_of_amqp_unless_there_is_one() -> None:
    assert of({"message-id": "a"}).message_id == "a"
    assert shown(of({"message-id": "a"})) == {"amqp-message-id": "a"}
    assert of({"message-id": "a", "amqp-message-id": "b"}).message_id == "b"


def test_a_message_id_above_255_octets_is_not_lost() -> None:
    long = "x" * 256
    assert shown(of({"message-id": long})) == {"amqp-message-id": long}
    assert shown(of({"message-id": long, "amqp-message-id": "b"})) == {"amqp-message-id": "b"}
    assert shown(of({"message-id": "a", "amqp-message-id": long})) == {"amqp-message-id": long}


@pytest.mark.parametrize("name", ["x" * 256, "ü" * 128])
def test_a_name_above_255_octets_is_an_error(name: str) -> None:
    assert "longer than 255 octets" in failure({name: "1"})


def test_a_name_that_is_not_utf_8_is_an_error() -> None:
    assert "not Unicode text" in failure({"a\udcff": "1"})


# ---------------------------------------------------------------------- properties that are no text


@pytest.mark.parametrize(
    ("header", "default", "mode"),
    [
        ("true", False, 2),
        ("True", False, 2),
        ("true", True, 2),
        ("false", True, 1),
        ("false", False, 1),
        ("yes", True, 1),
        (None, True, 2),
        (None, False, None),
    ],
)
def test_persistent_is_a_delivery_mode(header: str | None, default: bool, mode: int | None) -> None:
    headers = {} if header is None else {"persistent": header}
    found = properties_of(headers, SPEC, persistent=default)
    assert found.delivery_mode == mode
    assert shown(found) == ({"persistent": "true"} if mode == 2 else {})


def test_persistent_false_is_shown_by_artemis() -> None:
    assert shown(EMPTY, ARTEMIS)["persistent"] == "false"
    assert shown(of({"persistent": "true"}), ARTEMIS)["persistent"] == "true"


@pytest.mark.parametrize("priority", [0, 4, 9, 255])
def test_a_priority_goes_both_ways(priority: int) -> None:
    found = of({"priority": f" {priority} "})
    assert found.priority == priority
    assert shown(found) == {"priority": str(priority)}


@pytest.mark.parametrize("text", ["-1", "256", "high", "", "1.5", "9" * 30])
def test_a_priority_that_is_none_is_an_error(text: str) -> None:
    assert "'priority' must be" in failure({"priority": text})


def test_the_priority_of_who_sets_none_is_shown_by_those_that_have_jms() -> None:
    assert [shown(EMPTY, dialect).get("priority") for dialect in (SPEC, RABBITMQ, ACTIVEMQ, ARTEMIS)] == [
        None,
        None,
        "4",
        "4",
    ]


def test_a_timestamp_that_is_a_number_is_the_property_and_any_other_a_header() -> None:
    assert of({"timestamp": "1700000000"}).timestamp == 1_700_000_000
    for text in ("1700000000", "yesterday", "-5", "", "9" * 19, "\u0663"):
        assert shown(of({"timestamp": text})) == {"timestamp": text}


@pytest.mark.parametrize(("text", "kept"), [("0", "0"), (" 1500 ", "1500"), ("007", "7")])
def test_an_expiration_is_a_number_of_milliseconds(text: str, kept: str) -> None:
    assert of({"expiration": text}).expiration == kept
    assert shown(of({"expiration": text})) == {"expiration": kept}


@pytest.mark.parametrize("text", ["-1", "1.5", "soon", "", "9" * 30, "\u0663"])
def test_an_expiration_that_is_none_is_an_error(text: str) -> None:
    assert "'expiration' must" in failure({"expiration": text})


def test_expires_is_left_to_who_knows_the_time() -> None:
    assert of({"expires": "1700000000000"}) == EMPTY


# ---------------------------------------------------------------------- what asks the broker for something


@pytest.mark.parametrize(
    ("name", "wish"),
    [("AMQ_SCHEDULED_DELAY", DELAY), ("AMQ_SCHEDULED_TIME", DELIVER_AT), ("_AMQ_SCHED_DELIVERY", DELIVER_AT)],
)
def test_delays_of_other_brokers_become_ours_and_are_shown_as_sent(name: str, wish: str) -> None:
    found = of({name: "1500"})
    assert found.headers == {name: "1500", wish: 1500}
    assert isinstance((found.headers or {})[wish], LongLong)
    assert shown(found) == {name: "1500"}


def test_so_does_the_id_by_which_artemis_finds_duplicates() -> None:
    found = of({"_AMQ_DUPL_ID": "a"})
    assert found.headers == {"_AMQ_DUPL_ID": "a", DEDUPLICATION: "a"}
    assert shown(found) == {"_AMQ_DUPL_ID": "a"}


def test_our_own_are_numbers_and_are_shown_as_sent() -> None:
    found = of({DELAY: "1500", DEDUPLICATION: "7"})
    assert found.headers == {DELAY: 1500, DEDUPLICATION: "7"}
    assert shown(found) == {DELAY: "1500", DEDUPLICATION: "7"}


@pytest.mark.parametrize("name", [DELAY, DELIVER_AT, "AMQ_SCHEDULED_DELAY", "AMQ_SCHEDULED_TIME"])
@pytest.mark.parametrize("text", ["", "soon", "1.5", "9" * 19, "9" * 30, "--1"])
def test_a_delay_that_is_no_number_of_64_bits_is_an_error(text: str, name: str) -> None:
    assert failure({name: text})


# ---------------------------------------------------------------------- reply-to


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("/queue/a", "a"),
        ("queue://a", "a"),
        ("/reply-queue/amq.gen-1", "amq.gen-1"),
        ("a", "a"),
        ("/topic/a", "/topic/a"),
        ("/queue/a%2Fb", "/queue/a%2Fb"),
        ("x" * 255, "x" * 255),
    ],
)
def test_a_reply_to_is_the_bare_name_to_amqp_and_what_was_sent_to_stomp(sent: str, name: str) -> None:
    found = of({"reply-to": sent})
    assert found.reply_to == name
    assert shown(found) == {"reply-to": sent}


@pytest.mark.parametrize(
    ("sent", "name", "again"),
    [
        ("/queue/a", "/queue/a", "/queue/a"),
        ("/exchange/x/k", "/exchange/x/k", "/exchange/x/k"),
        ("/reply-queue/amq.gen-1", "amq.gen-1", "/reply-queue/amq.gen-1"),
        ("a", "a", "/reply-queue/a"),
    ],
)
def test_rabbitmq_passes_a_reply_to_on_and_shows_bare_ones_as_reply_queues(sent: str, name: str, again: str) -> None:
    found = of({"reply-to": sent}, RABBITMQ)
    assert found.reply_to == name
    assert found.headers is None
    assert shown(found, RABBITMQ) == {"reply-to": again}


@each_dialect
@pytest.mark.parametrize("sent", ["x" * 256, "/queue/" + "ü" * 128, "", "/reply-queue/"])
def test_a_reply_to_that_names_nothing_or_is_too_long_stays_a_header(sent: str, dialect: Dialect) -> None:
    found = of({"reply-to": sent}, dialect)
    assert found.reply_to is None
    assert shown(found, dialect)["reply-to"] == sent


@each_dialect
def test_a_reply_to_of_an_amqp_client_is_a_destination_to_stomp(dialect: Dialect) -> None:
    assert shown(Properties.make(reply_to="amq.gen-1"), dialect)["reply-to"] == "/reply-queue/amq.gen-1"


# ---------------------------------------------------------------------- what AMQP clients send


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (-5, "-5"),
        (LongLong(1 << 62), str(1 << 62)),
        (Timestamp(1_700_000_000), "1700000000"),
        (1.5, "1.5"),
        (Decimal("1.50"), "1.50"),
        (b"text", "text"),
        (LongString(b"\xff\xfe"), RAW),
    ],
)
def test_fields_of_one_value_are_shown_as_text(value: FieldValue, text: str) -> None:
    assert shown_fields({"a": value}) == {"a": text}


@pytest.mark.parametrize("value", [None, [1], {"b": 1}, [], {}, b"\xff"])
def test_fields_that_are_no_single_value_are_not_shown(value: FieldValue) -> None:
    assert shown_fields({"a": value, "b": "1"}) == {"b": "1"}


def test_a_property_comes_before_a_header_of_the_same_name() -> None:
    found = Properties.make(
        correlation_id="1", priority=3, headers={"correlation-id": "2", "priority": "9", "content-type": "x"}
    )
    assert shown(found) == {"correlation-id": "1", "priority": "3", "content-type": "x"}


@pytest.mark.parametrize("name", sorted(FRAME_HEADERS))
def test_a_header_cannot_pass_for_one_of_the_frame(name: str) -> None:
    assert shown_fields({name: "9", "a": "1"}) == {"a": "1"}


# ---------------------------------------------------------------------- numbers and flags


@pytest.mark.parametrize(("text", "number"), [("0", 0), (" 12 ", 12), ("-7", -7), ("9" * 19, int("9" * 19))])
def test_a_number_may_have_spaces_around_it(text: str, number: int) -> None:
    assert integer("x", text) == number


@pytest.mark.parametrize("text", ["", "-", "--1", "+1", "1_0", "0x1", "1.0", "1 2", "\u0663", "\xb2", "9" * 20])
def test_what_is_no_number_is_an_error_that_names_the_header(text: str) -> None:
    with pytest.raises(StompFailure, match="header 'x' must be a number"):
        integer("x", text)


def test_a_flag_is_on_when_it_says_true() -> None:
    assert [text for text in ("true", "True", "TRUE", "tRue", "false", "1", "", " true", None) if flag(text)] == [
        "true",
        "True",
        "TRUE",
    ]
