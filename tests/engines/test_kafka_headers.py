"""Messages as records of Kafka, and back; what other clients write."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from batonmq import Message
from batonmq.engines.kafka.headers import Headers, from_headers, to_headers
from batonmq.engines.messages import HeaderValue
from batonmq.fields import FieldValue, Timestamp

HEADERS: dict[str, HeaderValue] = {
    "text": "grüße",
    "empty": "",
    "number": -(2**40),
    "fraction": 1.5,
    "whole": 2.0,
    "yes": True,
    "bytes": b"\x00\xff",
    "nothing": None,
    "list": [1, "two", [3.0, None]],
    "table": {"inner": {"deep": [b"", ""]}},
    "batonmq.type": "not the property",
    "batonmq.types": "nor this",
}


def read(headers: Headers) -> dict[str, FieldValue]:
    return from_headers([(name, octets) for name, octets in headers if not isinstance(octets, str)]).headers or {}


def test_everything_comes_back_as_it_was() -> None:
    sent = Message(
        b"",
        id="m-1",
        headers=HEADERS,
        content_type="text/plain",
        correlation_id="c-1",
        reply_to="answers",
        type="order",
        created_at=datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC),
        durable=False,
    )
    found = from_headers(
        [(name, octets) for name, octets in to_headers(sent.properties) if not isinstance(octets, str)]
    )
    assert found.headers == HEADERS
    assert [type(value) for value in (found.headers or {}).values()] == [type(value) for value in sent.headers.values()]
    for name in ("message_id", "content_type", "correlation_id", "reply_to", "type", "timestamp", "delivery_mode"):
        assert getattr(found, name) == getattr(sent.properties, name), name


def test_a_message_without_properties_has_no_headers() -> None:
    assert to_headers(Message(b"").properties) == []
    assert from_headers(None).delivery_mode == 2


def test_others_can_read_it() -> None:
    sent = Message(b"", id="m-1", headers={"tenant": "a", "tries": 3, "late": False, "tags": ["x", 2**40], "no": None})
    found = dict(to_headers(sent.properties))
    types = json.loads(found.pop("batonmq.types") or b"")
    assert found == {
        "batonmq.message-id": b"m-1",
        "tenant": b"a",
        "tries": b"3",
        "late": b"false",
        "tags": b'["x",1099511627776]',
        "no": None,
    }
    assert types == {"tries": "int", "late": "bool", "tags": "json", "no": "null"}


def test_a_type_that_only_amqp_has_comes_back() -> None:
    assert read(to_headers(Message(b"", headers={"at": Timestamp(5)}).properties)) == {"at": Timestamp(5)}


def test_what_others_write_is_text_or_bytes() -> None:
    found = from_headers(
        [("a", b"x"), ("b", b"\xff"), ("c", None), ("d", b"1"), ("d", b"2"), ("content-type", b"application/json")],
        b"key",
    )
    assert found.headers == {
        "a": "x",
        "b": b"\xff",
        "c": None,
        "d": ["1", "2"],
        "content-type": "application/json",
        "kafka.key": b"key",
    }
    assert found.content_type == "application/json"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("a", b"x"), ("batonmq.types", b"no json")], {"a": "x"}),
        ([("a", b"x"), ("batonmq.types", b'{"a":"int"}')], {"a": "x"}),
        ([("a", b"\xff"), ("batonmq.types", b'{"a":"amqp"}')], {"a": b"\xff"}),
        ([("a", b"1e999"), ("batonmq.types", b'{"a":"unknown"}')], {"a": "1e999"}),
        ([("batonmq.timestamp", b"soon")], {"batonmq.timestamp": "soon"}),
        ([("batonmq.message-id", b"x" * 256)], {"batonmq.message-id": "x" * 256}),
    ],
)
def test_what_does_not_fit_its_type_is_kept(
    headers: list[tuple[str, bytes | None]], expected: dict[str, FieldValue]
) -> None:
    assert from_headers(headers).headers == expected


def test_a_name_that_is_too_long_does_not_take_the_others_along() -> None:
    assert from_headers([("x" * 300, b"1"), ("a", b"2")]).headers == {"a": "2"}


def test_a_dead_letter_tells_of_its_death() -> None:
    found = from_headers(
        [
            ("__dlq.errors.topic", b"orders"),
            ("__dlq.errors.delivery.count", b"3"),
            ("__dlq.errors.message", b"Delivery count exceeded the threshold."),
        ]
    ).headers
    assert found is not None
    assert found["x-last-death-queue"] == "orders"
    assert found["x-last-death-reason"] == "delivery_limit"
    assert found["x-delivery-count"] == 3
    assert found["__dlq.errors.topic"] == "orders"
