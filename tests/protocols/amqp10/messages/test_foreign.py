"""What is written from octets to octets is what the values make that stand there."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from batonmq import fields
from batonmq.field_encoding import encode_table
from batonmq.fields import FieldValue
from batonmq.message import DeadLetter, Message
from batonmq.properties import Properties
from batonmq.protocols.amqp10.dialects import ARTEMIS, SPEC, Dialect
from batonmq.protocols.amqp10.messages.foreign import ForeignWriter
from batonmq.protocols.amqp10.messages.templates import (
    TEXT,
    TEXT_MARK,
    address_annotations,
    annotations_section,
    foreign_sections,
)
from tests.protocols.amqp10.messages.test_field_values import any_field

MOMENT = 1_700_000_000_123
names = st.one_of(
    st.text(max_size=3),
    st.sampled_from(["x-a", "x-é", "a" * 127, "x-" + "a" * 200, "CC", "x-death", "x-exchange", "x-basic-type"]),
    st.sampled_from(["x-header-list", "list", "JMSXGroupID", "JMSXGroupSeq", "x-group", "x-message-id", "x-user-id"]),
    st.sampled_from([TEXT_MARK, "timestamp_in_ms"]),
)
common: st.SearchStrategy[FieldValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.sampled_from(["x" * 255, "x" * 256, "é" * 200]),
    st.integers(-130, 130),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-130, 130).map(fields.LongLong),
    st.sampled_from([MOMENT, MOMENT + 1, -1]).map(fields.LongLong),
    st.integers(-(2**63), 2**63 - 1).map(fields.LongLong),
    st.sampled_from([TEXT, fields.SignedByte(TEXT), fields.Short(TEXT)]),
    st.lists(st.none(), max_size=2),
    st.floats(),
)
tables = st.dictionaries(names, st.one_of(common, common, any_field), max_size=5)
texts = st.one_of(
    st.none(),
    st.sampled_from(["", "a", "é", "\udcff", "q/r", "/queues/q", "amqp-1.0", "a" * 255, "é" * 127]),
    st.uuids().map("urn:uuid:{}".format),
    st.just("urn:uuid:" + "x" * 36),
)
properties = st.builds(
    Properties.make,
    content_type=texts,
    content_encoding=texts,
    headers=st.one_of(st.none(), tables),
    delivery_mode=st.sampled_from([None, 1, 2]),
    priority=st.sampled_from([None, 0, 9]),
    correlation_id=texts,
    reply_to=texts,
    expiration=st.sampled_from([None, "1000"]),
    message_id=texts,
    timestamp=st.one_of(st.none(), st.just(MOMENT // 1000), st.integers(-(2**63), 2**63 - 1)),
    type=texts,
    user_id=texts,
    app_id=texts,
    cluster_id=st.sampled_from([None, None, None, "c"]),
)
# Addresses whose annotations have lengths of one octet and of four.
addresses = st.sampled_from([("exchange", "key"), ("", "k" * 255), ("é", "")])


@given(st.lists(properties, min_size=1, max_size=4), addresses, st.sampled_from([SPEC, ARTEMIS]), st.booleans())
def test_nothing_else_is_written_than_the_values_tell(
    run: list[Properties], address: tuple[str, str], dialect: Dialect, is_dead: bool
) -> None:
    kind = DeadLetter if is_dead else Message
    writer = ForeignWriter(dialect)
    for held in run + run:
        message = kind(*address, held, b"")
        before = annotations_section(address_annotations(message))
        made = writer.sections(held.raw, before)
        if made is not None:
            assert made == foreign_sections(message, dialect, before)
            is_text = (held.headers or {}).get(TEXT_MARK) == TEXT and held.content_encoding is None
            assert (writer.is_text, held.type != "amqp-1.0") == (is_text, True)


@given(st.binary(max_size=40))
def test_what_is_no_table_is_not_written(octets: bytes) -> None:
    raw = b"\x20\x00" + len(octets).to_bytes(4, "big") + octets
    message = Message("", "q", Properties.decode(raw), b"")
    before = annotations_section(address_annotations(message))
    made = ForeignWriter(SPEC).sections(raw, before)
    if made is not None:
        assert made == foreign_sections(message, SPEC, before)


CELERY: Mapping[str, FieldValue] = {
    "lang": "py",
    "id": str(uuid.UUID(int=1)),
    "eta": None,
    "retries": 0,
    "timelimit": [None, None],
    "ignore_result": False,
    "stamps": {},
    "origin": "x" * 300,
    "sent": datetime(2026, 1, 1, tzinfo=UTC),
    "x-ratio": 0.5,
}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"message_id": "ID:1", "content_type": "text/plain", "timestamp": 1_700_000_000, "delivery_mode": 2},
        {"message_id": f"urn:uuid:{uuid.UUID(int=1)}", "user_id": "guest", "app_id": "a", "type": "t", "priority": 0},
        {"correlation_id": "c", "reply_to": "amq.gen-1", "expiration": "5", "headers": CELERY},
        {"headers": {TEXT_MARK: 5, "timestamp_in_ms": fields.LongLong(MOMENT)}, "timestamp": MOMENT // 1000},
    ],
)
def test_what_most_clients_send_is_written_directly(values: dict[str, object]) -> None:
    message = Message("exchange", "key", Properties.make(**values), b"")  # type: ignore[arg-type]
    before = annotations_section(address_annotations(message))
    made = ForeignWriter(SPEC).sections(message.properties.raw, before)
    assert made == foreign_sections(message, SPEC, before)


def test_of_two_headers_of_one_name_the_last_counts() -> None:
    entries = encode_table({"a": 1})[4:] + encode_table({"a": 2})[4:]
    raw = b"\x20\x00" + len(entries).to_bytes(4, "big") + entries
    assert ForeignWriter(SPEC).sections(raw, b"\x00Sr\xc1\x01\x00") is None
