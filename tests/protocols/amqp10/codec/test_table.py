"""The table of composite types beside the specification's, field by field; and all of them with values made up."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from batonmq.protocols.amqp10.codec.composites import COMPOSITES, Composite, as_composite
from batonmq.protocols.amqp10.codec.performatives import Accepted, Error, decode_composite, encode_composite
from batonmq.protocols.amqp10.codec.values import Described, Symbol, Timestamp, UByte, UInt, ULong, UShort, decode_whole

# Parts 2 to 5: a type's fields in order. ! is mandatory, * multiple; what is restricted stands under its own name.
SPECIFICATION = """
open: container-id string!, hostname string, max-frame-size uint, channel-max ushort, idle-time-out milliseconds,
    outgoing-locales ietf-language-tag*, incoming-locales ietf-language-tag*, offered-capabilities symbol*,
    desired-capabilities symbol*, properties fields
begin: remote-channel ushort, next-outgoing-id transfer-number!, incoming-window uint!, outgoing-window uint!,
    handle-max handle, offered-capabilities symbol*, desired-capabilities symbol*, properties fields
attach: name string!, handle handle!, role role!, snd-settle-mode sender-settle-mode,
    rcv-settle-mode receiver-settle-mode, source source, target target, unsettled map, incomplete-unsettled boolean,
    initial-delivery-count sequence-no, max-message-size ulong, offered-capabilities symbol*,
    desired-capabilities symbol*, properties fields
flow: next-incoming-id transfer-number, incoming-window uint!, next-outgoing-id transfer-number!,
    outgoing-window uint!, handle handle, delivery-count sequence-no, link-credit uint, available uint, drain boolean,
    echo boolean, properties fields
transfer: handle handle!, delivery-id delivery-number, delivery-tag delivery-tag, message-format message-format,
    settled boolean, more boolean, rcv-settle-mode receiver-settle-mode, state delivery-state, resume boolean,
    aborted boolean, batchable boolean
disposition: role role!, first delivery-number!, last delivery-number, settled boolean, state delivery-state,
    batchable boolean
detach: handle handle!, closed boolean, error error
end: error error
close: error error
error: condition error-condition!, description string, info fields
received: section-number uint!, section-offset ulong!
accepted:
rejected: error error
released:
modified: delivery-failed boolean, undeliverable-here boolean, message-annotations annotations
source: address address, durable terminus-durability, expiry-policy terminus-expiry-policy, timeout seconds,
    dynamic boolean, dynamic-node-properties node-properties, distribution-mode std-dist-mode, filter filter-set,
    default-outcome outcome, outcomes symbol*, capabilities symbol*
target: address address, durable terminus-durability, expiry-policy terminus-expiry-policy, timeout seconds,
    dynamic boolean, dynamic-node-properties node-properties, capabilities symbol*
delete-on-close:
delete-on-no-links:
delete-on-no-messages:
delete-on-no-links-or-messages:
coordinator: capabilities symbol*
declare: global-id global-tx-id
discharge: txn-id transaction-id!, fail boolean
declared: txn-id transaction-id!
transactional-state: txn-id transaction-id!, outcome outcome
sasl-mechanisms: sasl-server-mechanisms symbol*!
sasl-init: mechanism symbol!, initial-response binary, hostname string
sasl-challenge: challenge binary!
sasl-response: response binary!
sasl-outcome: code sasl-code!, additional-data binary
header: durable boolean, priority ubyte, ttl milliseconds, first-acquirer boolean, delivery-count uint
properties: message-id message-id, user-id binary, to address, subject string, reply-to address,
    correlation-id message-id, content-type symbol, content-encoding symbol, absolute-expiry-time timestamp,
    creation-time timestamp, group-id string, group-sequence sequence-no, reply-to-group-id string
"""

# What the codec calls the specification's types.
KINDS = {
    "string": "String",
    "address": "String",
    "uint": "Uint",
    "milliseconds": "Uint",
    "seconds": "Uint",
    "handle": "Uint",
    "transfer-number": "Uint",
    "delivery-number": "Uint",
    "sequence-no": "Uint",
    "message-format": "Uint",
    "ushort": "Ushort",
    "ulong": "Ulong",
    "ubyte": "Ubyte",
    "boolean": "Boolean",
    "role": "Boolean",
    "binary": "Binary",
    "transaction-id": "Binary",
    "symbol": "Symbol",
    "error-condition": "Symbol",
    "terminus-expiry-policy": "Symbol",
    "std-dist-mode": "Symbol",
    "timestamp": "Timestamp",
    "sender-settle-mode": "SenderSettleMode",
    "receiver-settle-mode": "ReceiverSettleMode",
    "terminus-durability": "Durability",
    "sasl-code": "SaslCode",
    "delivery-tag": "DeliveryTag",
    "fields": "Fields",
    "node-properties": "Fields",
    "filter-set": "Fields",
    "annotations": "Annotations",
    "map": "AnyMap",
    "global-tx-id": "AnyValue",
    "message-id": "MessageId",
    "error": "Error",
    "source": "Source",
    "target": "AnyTarget",
    "delivery-state": "DeliveryState",
    "outcome": "Outcome",
    "symbol*": "Symbols",
    "ietf-language-tag*": "Symbols",
}

TYPES = [COMPOSITES[code] for code in range(256) if code in COMPOSITES]


def specified() -> dict[str, list[tuple[str, str, bool]]]:
    """The fields of each type: name, the codec's type, mandatory."""
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for line in SPECIFICATION.replace("\n    ", " ").strip().splitlines():
        name, _, fields = line.partition(":")
        found[f"amqp:{name}:list"] = [
            (field.replace("-", "_"), KINDS[kind.removesuffix("!")], kind.endswith("!"))
            for field, kind in (each.split() for each in fields.split(",") if each.strip())
        ]
    return found


def test_the_table_is_the_specification_s() -> None:
    assert {cls.NAME: [(part.name, part.kind, part.mandatory) for part in cls.LAYOUT] for cls in TYPES} == specified()


# Part 2 §2.7.5, §2.8; part 3 §3.4, §3.5.10; part 4 §4.5.7: what may stand for what.
ARCHETYPES = {
    "Performative": "open begin attach flow transfer disposition detach end close",
    "SaslPerformative": "sasl-mechanisms sasl-init sasl-challenge sasl-response sasl-outcome",
    "DeliveryState": "received accepted rejected released modified declared transactional-state",
    "Outcome": "accepted rejected released modified declared",
    "AnyTarget": "target coordinator",
    "LifetimePolicy": ("delete-on-close delete-on-no-links delete-on-no-messages delete-on-no-links-or-messages"),
}


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_what_may_stand_for_what(archetype: str) -> None:
    found = {cls.NAME for cls in TYPES if archetype in cls.PROVIDES}
    assert found == {f"amqp:{name}:list" for name in ARCHETYPES[archetype].split()}


# ---------------------------------------------------------------------- values made up

SYMBOLS = st.text(st.characters(max_codepoint=127), max_size=8).map(Symbol)
UINTS = st.integers(0, 2**32 - 1).map(UInt)
ANY = st.one_of(st.none(), st.booleans(), UINTS, SYMBOLS, st.text(max_size=5), st.lists(UINTS, max_size=3))
STATES = st.sampled_from(
    [Accepted(), *(cls() for cls in TYPES if cls.__name__ in ("Released", "Modified", "Rejected"))]
)
MADE_UP: dict[str, st.SearchStrategy[object]] = {
    "String": st.text(max_size=300),
    "Uint": UINTS,
    "Ushort": st.integers(0, 65535).map(UShort),
    "Ulong": st.integers(0, 2**64 - 1).map(ULong),
    "Ubyte": st.integers(0, 255).map(UByte),
    "Boolean": st.booleans(),
    "Binary": st.binary(max_size=300),
    "Symbol": SYMBOLS,
    "Timestamp": st.integers(-(2**63), 2**63 - 1).map(Timestamp),
    "SenderSettleMode": st.integers(0, 2).map(UByte),
    "ReceiverSettleMode": st.integers(0, 1).map(UByte),
    "Durability": st.integers(0, 2).map(UInt),
    "SaslCode": st.integers(0, 4).map(UByte),
    "DeliveryTag": st.binary(max_size=32),
    "Fields": st.dictionaries(SYMBOLS, ANY, max_size=4),
    "Annotations": st.dictionaries(st.one_of(SYMBOLS, st.integers(0, 2**64 - 1).map(ULong)), ANY, max_size=4),
    "AnyMap": st.dictionaries(st.one_of(st.binary(max_size=5), UINTS), ANY, max_size=4),
    "AnyValue": ANY,
    "MessageId": st.one_of(
        st.integers(0, 2**64 - 1).map(ULong), st.uuids(), st.binary(max_size=5), st.text(max_size=5)
    ),
    "Symbols": st.lists(SYMBOLS, min_size=1, max_size=3),
    "Error": st.builds(Error, condition=SYMBOLS, description=st.none() | st.text(max_size=5)),
    "DeliveryState": STATES,
    "Outcome": STATES,
}


def made_up(cls: type[Composite]) -> st.SearchStrategy[Composite]:
    fields = {
        part.name: MADE_UP[part.kind] if part.mandatory else st.none() | MADE_UP[part.kind]
        for part in cls.LAYOUT
        if part.kind in MADE_UP
    }
    return st.builds(cls, **fields)


COMPOSITE = st.sampled_from(TYPES).flatmap(made_up)


@given(COMPOSITE)
def test_a_composite_value_comes_back_as_it_was(value: Composite) -> None:
    data = encode_composite(value)
    found, at = decode_composite(data)
    assert (found, at) == (value, len(data))
    assert encode_composite(found) == data
    for part in value.LAYOUT:
        assert type(getattr(found, part.name)) is type(getattr(value, part.name))


@given(COMPOSITE)
def test_fields_that_are_absent_at_the_end_are_left_out(value: Composite) -> None:
    described = decode_whole(encode_composite(value))
    assert isinstance(described, Described)
    assert isinstance(described.value, list)
    assert not described.value or described.value[-1] is not None
    # Put there all the same, they change nothing.
    described.value += [None] * (len(value.LAYOUT) - len(described.value))
    assert as_composite(described) == value
