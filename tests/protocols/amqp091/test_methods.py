"""AMQP 0-9-1 section 4.2.5: methods and their fields, for every method of the table."""

from __future__ import annotations

import struct
from dataclasses import fields
from typing import cast

import pytest
from hypothesis import given, strategies as st
from pamqp import commands as spec
from pamqp.base import Frame

from batonmq.fields import FieldError
from batonmq.protocols.amqp091.method_codec import FrameSyntaxError, UnknownMethod, decode_method, encode_method
from batonmq.protocols.amqp091.methods import (
    METHODS,
    BasicNack,
    BasicPublish,
    BasicQos,
    ConnectionSecure,
    Method,
    QueueDeclare,
)
from tests.support.codec import encode_method as oracle_encode
from tests.test_fields import TABLES

ORACLES = cast(dict[int, type[Frame]], spec.INDEX_MAPPING)
ALL = sorted(METHODS.values(), key=lambda cls: cls.INDEX)

STRATEGIES: dict[str, st.SearchStrategy[object]] = {
    "Bit": st.booleans(),
    "Octet": st.integers(0, 2**8 - 1),
    "Short": st.integers(0, 2**16 - 1),
    "Long": st.integers(0, 2**32 - 1),
    "Longlong": st.integers(0, 2**64 - 1),
    "Shortstr": st.text(st.characters(codec="utf-8"), max_size=60),
    "Longstr": st.binary(max_size=300),
    "Table": TABLES,
}
ANY = st.sampled_from(ALL).flatmap(lambda cls: st.builds(cls, **{name: STRATEGIES[kind] for name, kind in cls.LAYOUT}))
# pamqp picks other types in tables, takes its long strings as text, and its integers of 64 bits are signed.
SIMPLE = {kind: strategy for kind, strategy in STRATEGIES.items() if kind not in ("Table", "Longstr")}
SIMPLE["Longlong"] = st.integers(0, 2**63 - 1)
SPECIAL = {"global_": "global_", "type": "exchange_type", "no_wait": "nowait", "reserved_1": None, "reserved_2": None}


@given(ANY)
def test_any_method_comes_back(method: Method) -> None:
    assert decode_method(encode_method(method)) == method


def test_the_table_is_the_specifications_with_the_extensions() -> None:
    assert set(METHODS) == set(ORACLES)
    for index, cls in METHODS.items():
        assert cls.NAME.replace("-", "").replace(".", "").lower() == ORACLES[index].name.replace(".", "").lower()
        assert [name for name, _ in cls.LAYOUT] == [field.name for field in fields(cls)]  # type: ignore[arg-type]


def test_four_methods_carry_content() -> None:
    assert {cls.NAME for cls in ALL if cls.HAS_CONTENT} == {
        "basic.publish",
        "basic.return",
        "basic.deliver",
        "basic.get-ok",
    }


@given(st.data())
def test_another_implementation_writes_the_same(data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from([cls for cls in ALL if all(kind in SIMPLE for _, kind in cls.LAYOUT)]))
    values = {name: data.draw(SIMPLE[kind]) for name, kind in cls.LAYOUT if SPECIAL.get(name, name) is not None}
    oracle = ORACLES[cls.INDEX].__new__(ORACLES[cls.INDEX])
    for slot, kind in zip(oracle.attributes(), [kind for _, kind in cls.LAYOUT], strict=True):
        setattr(oracle, slot, "" if kind == "Shortstr" else 0)
    for name, value in values.items():
        setattr(oracle, SPECIAL.get(name, name) or name, value)
    assert encode_method(cls(**values)) == oracle_encode(oracle)


def test_bits_that_follow_one_another_share_an_octet() -> None:
    assert encode_method(BasicNack(delivery_tag=1, requeue=True))[-1] == 0b10
    declare = QueueDeclare(queue="q", durable=True, no_wait=True)
    assert encode_method(declare)[8:9] == bytes((0b10010,))


def test_tables_keep_their_types() -> None:
    payload = oracle_encode(spec.Queue.Declare(0, "q", arguments={"x-max-length": 5}))
    method = decode_method(payload)
    assert isinstance(method, QueueDeclare)
    assert method.arguments == {"x-max-length": 5}
    assert encode_method(method) == payload


def test_names_that_are_not_utf_8_keep_their_octets() -> None:
    payload = struct.pack(">IH", QueueDeclare.INDEX, 0) + b"\x02\xff\xfe" + b"\0" + bytes(4)
    method = decode_method(payload)
    assert encode_method(method) == payload


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.NAME)
def test_a_method_cut_short_or_too_long_is_a_frame_error(cls: type[Method]) -> None:
    payload = encode_method(cls())
    faults = [payload[:end] for end in range(len(payload))] + [payload + b"\0"]
    for fault in faults:
        with pytest.raises(FrameSyntaxError) as caught:
            decode_method(fault)
        # A table that is cut is malformed.
        assert caught.value.code == 501 or "field table" in str(caught.value)
        assert caught.value.index == (cls.INDEX if len(fault) >= 4 else 0)


def test_a_malformed_table_is_a_syntax_error() -> None:
    payload = encode_method(QueueDeclare(queue="q"))[:-4] + b"\0\0\0\x03\x01kZ"
    with pytest.raises(FrameSyntaxError, match=r"queue\.declare: .*unknown type") as caught:
        decode_method(payload)
    assert caught.value.code == 502


@pytest.mark.parametrize("index", [(0, 0), (60, 41), (200, 10), (65535, 65535)])
def test_an_unknown_method_says_so(index: tuple[int, int]) -> None:
    with pytest.raises(UnknownMethod) as caught:
        decode_method(struct.pack(">HH", *index) + b"rest")
    assert caught.value.index == index[0] << 16 | index[1]


@given(st.sampled_from(ALL), st.binary(max_size=40))
def test_garbage_is_decoded_or_refused(cls: type[Method], rest: bytes) -> None:
    try:
        method = decode_method(cls.INDEX.to_bytes(4, "big") + rest)
    except FrameSyntaxError:
        return
    assert decode_method(encode_method(method)) == method


@pytest.mark.parametrize(
    "method",
    [
        BasicQos(prefetch_count=65536),
        BasicQos(prefetch_size=-1),
        BasicPublish(routing_key="x" * 256),
        BasicPublish(exchange="\ud800"),
        QueueDeclare(arguments={"k": 2**64}),
    ],
)
def test_values_that_do_not_fit_are_refused(method: Method) -> None:
    with pytest.raises(FieldError):
        encode_method(method)


def test_long_strings_are_octets() -> None:
    assert decode_method(encode_method(ConnectionSecure(challenge=b"\0\xff"))) == ConnectionSecure(challenge=b"\0\xff")
