"""AMQP 1.0 parts 2 to 5: the table of composite types, and how their fields are read and written."""

from __future__ import annotations

import pytest

from batonmq.protocols.amqp10.codec import performatives
from batonmq.protocols.amqp10.codec.composites import COMPOSITES, Composite, type_of
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Begin,
    Close,
    Coordinator,
    Declare,
    Declared,
    DeleteOnClose,
    Detach,
    Discharge,
    Disposition,
    Error,
    Flow,
    Header,
    MessageProperties,
    Modified,
    Open,
    Received,
    Rejected,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    Source,
    Target,
    TransactionalState,
    Transfer,
    decode_composite,
    encode_composite,
)
from batonmq.protocols.amqp10.codec.values import (
    Array,
    DecodeError,
    Described,
    EncodeError,
    InvalidField,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
    encode,
)

TYPES: list[type[Composite]] = [COMPOSITES[code] for code in range(256) if code in COMPOSITES]

# Part 2 §2.7, §2.8.14; part 3 §3.2, §3.4, §3.5; part 4 §4.5; part 5 §5.3.3: the well-known descriptors, and how many
# fields there are, of which mandatory.
WELL_KNOWN: dict[str, tuple[int, int, int]] = {
    "open": (0x10, 10, 1),
    "begin": (0x11, 8, 3),
    "attach": (0x12, 14, 3),
    "flow": (0x13, 11, 3),
    "transfer": (0x14, 11, 1),
    "disposition": (0x15, 6, 2),
    "detach": (0x16, 3, 1),
    "end": (0x17, 1, 0),
    "close": (0x18, 1, 0),
    "error": (0x1D, 3, 1),
    "received": (0x23, 2, 2),
    "accepted": (0x24, 0, 0),
    "rejected": (0x25, 1, 0),
    "released": (0x26, 0, 0),
    "modified": (0x27, 3, 0),
    "source": (0x28, 11, 0),
    "target": (0x29, 7, 0),
    "delete-on-close": (0x2B, 0, 0),
    "delete-on-no-links": (0x2C, 0, 0),
    "delete-on-no-messages": (0x2D, 0, 0),
    "delete-on-no-links-or-messages": (0x2E, 0, 0),
    "coordinator": (0x30, 1, 0),
    "declare": (0x31, 1, 0),
    "discharge": (0x32, 2, 1),
    "declared": (0x33, 1, 1),
    "transactional-state": (0x34, 2, 1),
    "sasl-mechanisms": (0x40, 1, 1),
    "sasl-init": (0x41, 3, 1),
    "sasl-challenge": (0x42, 1, 1),
    "sasl-response": (0x43, 1, 1),
    "sasl-outcome": (0x44, 2, 1),
    "header": (0x70, 5, 0),
    "properties": (0x73, 13, 0),
}

FULL: list[Composite] = [
    Open(
        container_id="c",
        hostname="h",
        max_frame_size=1 << 20,
        channel_max=7,
        idle_time_out=1000,
        outgoing_locales=["en-US"],
        incoming_locales=["en-US", "de"],
        offered_capabilities=["a"],
        desired_capabilities=["b", "c"],
        properties={Symbol("product"): "x", Symbol("n"): UInt(3)},
    ),
    Begin(remote_channel=1, next_outgoing_id=2**32 - 1, incoming_window=5, outgoing_window=6, handle_max=9),
    Attach(
        name="link",
        handle=3,
        role=True,
        snd_settle_mode=2,
        rcv_settle_mode=1,
        source=Source(
            address="q",
            durable=2,
            expiry_policy="never",
            timeout=10,
            dynamic=False,
            dynamic_node_properties={Symbol("lifetime-policy"): DeleteOnClose()},
            distribution_mode="copy",
            filter={Symbol("f"): Described(ULong(0x0000468C00000004), "a = 1")},
            default_outcome=Modified(delivery_failed=True, message_annotations={Symbol("x-opt-a"): 1}),
            outcomes=["amqp:accepted:list", "amqp:rejected:list"],
            capabilities=["queue"],
        ),
        target=Target(address="t", durable=1, capabilities=["queue"]),
        unsettled={b"tag": Described(ULong(0x24), [])},
        incomplete_unsettled=True,
        initial_delivery_count=0,
        max_message_size=2**40,
        offered_capabilities=["a"],
        desired_capabilities=["b"],
        properties={Symbol("paired"): True},
    ),
    Flow(
        next_incoming_id=1,
        incoming_window=2,
        next_outgoing_id=3,
        outgoing_window=4,
        handle=5,
        delivery_count=6,
        link_credit=7,
        available=8,
        drain=True,
        echo=False,
        properties={},
    ),
    Transfer(
        handle=0,
        delivery_id=1,
        delivery_tag=b"t" * 32,
        message_format=0,
        settled=False,
        more=True,
        rcv_settle_mode=0,
        state=TransactionalState(txn_id=b"\0\1", outcome=Accepted()),
        resume=False,
        aborted=True,
        batchable=True,
    ),
    Disposition(role=False, first=0, last=2**32 - 1, settled=True, state=Received(section_number=1, section_offset=2)),
    Detach(handle=1, closed=True, error=Error(condition="amqp:not-found", description="d", info={Symbol("k"): 1})),
    Close(error=Error(condition="amqp:connection:forced")),
    Rejected(error=Error(condition="amqp:internal-error")),
    Coordinator(capabilities=["amqp:local-transactions"]),
    Declare(),
    Declare(global_id=[1, "a"]),
    Discharge(txn_id=b"1", fail=True),
    Declared(txn_id=b"1"),
    SaslMechanisms(sasl_server_mechanisms=["PLAIN", "ANONYMOUS"]),
    SaslInit(mechanism="PLAIN", initial_response=b"\0u\0p", hostname="h"),
    SaslOutcome(code=4, additional_data=b"x"),
    Header(durable=True, priority=4, ttl=1000, first_acquirer=False, delivery_count=1),
    MessageProperties(
        message_id=ULong(5),
        user_id=b"u",
        to="t",
        subject="s",
        reply_to="r",
        correlation_id=b"c",
        content_type="text/plain",
        content_encoding="gzip",
        absolute_expiry_time=Timestamp(1),
        creation_time=Timestamp(2),
        group_id="g",
        group_sequence=3,
        reply_to_group_id="rg",
    ),
]


def test_every_composite_type_has_its_well_known_descriptors() -> None:
    types = set(COMPOSITES.values())
    found = {cls.NAME: (cls.CODE, len(cls.LAYOUT), sum(part.mandatory for part in cls.LAYOUT)) for cls in types}
    assert found == {f"amqp:{name}:list": numbers for name, numbers in WELL_KNOWN.items()}
    assert {cls.__name__ for cls in types} <= set(performatives.__all__)
    for cls in types:
        assert type_of(ULong(cls.CODE)) is type_of(Symbol(cls.NAME)) is cls
    assert type_of(UInt(0x10)) is type_of("amqp:open:list") is None


@pytest.mark.parametrize("value", FULL, ids=lambda value: type(value).__name__)
def test_a_composite_value_comes_back(value: Composite) -> None:
    data = encode_composite(value)
    found, at = decode_composite(data)
    assert at == len(data)
    assert found == value
    assert type(found) is type(value)
    assert encode(value) == data
    symbolic = b"\x00" + encode(Symbol(value.NAME)) + data[len(value.PREFIX) :]
    assert decode_composite(symbolic) == (value, len(symbolic))
    assert encode_composite(found) == data


@pytest.mark.parametrize("cls", TYPES, ids=[cls.NAME for cls in TYPES])
def test_what_is_mandatory_has_to_be_there(cls: type[Composite]) -> None:
    empty = cls.PREFIX + b"\x45"
    mandatory = [part.name.replace("_", "-") for part in cls.LAYOUT if part.mandatory]
    if not mandatory:
        assert decode_composite(empty)[1] == len(empty)
        return
    with pytest.raises(InvalidField, match=f"{cls.NAME} lacks its field {mandatory[0]}") as caught:
        decode_composite(empty)
    assert caught.value.condition == "amqp:invalid-field"
    nulls = cls.PREFIX + encode([None] * len(cls.LAYOUT))
    with pytest.raises(InvalidField, match="lacks"):
        decode_composite(nulls)


@pytest.mark.parametrize("cls", TYPES, ids=[cls.NAME for cls in TYPES])
def test_a_list_has_no_more_fields_than_its_type(cls: type[Composite]) -> None:
    with pytest.raises(DecodeError, match="at most"):
        decode_composite(cls.PREFIX + encode([None] * (len(cls.LAYOUT) + 1)))
    for other in (b"\x40", encode({}), encode("x")):
        with pytest.raises(DecodeError, match="no list"):
            decode_composite(cls.PREFIX + other)


@pytest.mark.parametrize("value", FULL, ids=lambda value: type(value).__name__)
def test_a_field_of_another_type_is_refused(value: Composite) -> None:
    for at, part in enumerate(value.LAYOUT):
        if part.kind == "AnyValue":
            continue
        values: list[object] = [getattr(value, other.name) if other.mandatory else None for other in value.LAYOUT]
        values = [None] * len(value.LAYOUT)
        values[at] = Described(Symbol("nobody's"), 1)
        with pytest.raises(DecodeError, match=part.name.replace("_", "-") + "|lacks"):
            decode_composite(value.PREFIX + encode(values))


WRONG: list[tuple[type[Composite], list[object], str, str]] = [
    (Open, [Symbol("c")], "amqp:decode-error", "container-id is no string"),
    (Open, ["c", None, UShort(5)], "amqp:decode-error", "max-frame-size is no uint"),
    (Open, ["c", None, None, UInt(5)], "amqp:decode-error", "channel-max is no ushort"),
    (Open, ["c", None, None, None, None, "x"], "amqp:decode-error", "outgoing-locales is neither"),
    (Open, ["c", None, None, None, None, Array(str, ["x"])], "amqp:decode-error", "outgoing-locales is neither"),
    (Open, ["c", *[None] * 8, [1]], "amqp:decode-error", "properties is no map"),
    (Open, ["c", *[None] * 8, {UInt(1): 1}], "amqp:decode-error", "properties has a key"),
    (Attach, ["l", UInt(0), UByte(1)], "amqp:decode-error", "role is no boolean"),
    (Attach, ["l", UInt(0), True, UByte(3)], "amqp:invalid-field", "snd-settle-mode is 3"),
    (Attach, ["l", UInt(0), True, None, UByte(2)], "amqp:invalid-field", "rcv-settle-mode is 2"),
    (Attach, ["l", UInt(0), True, None, None, Target()], "amqp:decode-error", "source may not be amqp:target:list"),
    (Attach, ["l", UInt(0), True, None, None, None, Source()], "amqp:decode-error", "target may not be"),
    (Attach, ["l", UInt(0), True, None, None, None, "q"], "amqp:decode-error", "target has no descriptor"),
    (Transfer, [UInt(0), UInt(0), b"t" * 33], "amqp:invalid-field", "delivery-tag has 33 octets"),
    (Transfer, [UInt(0), UInt(0), "t"], "amqp:decode-error", "delivery-tag is no binary"),
    (Transfer, [UInt(0), *[None] * 6, Open(container_id="c")], "amqp:decode-error", "state may not be amqp:open"),
    (Disposition, [True, UInt(0), None, None, Described(ULong(0x99), [])], "amqp:decode-error", "no composite type"),
    (TransactionalState, [b"x", Received(section_number=0, section_offset=0)], "amqp:decode-error", "outcome may not"),
    (Source, [None, UInt(3)], "amqp:invalid-field", "durable is 3"),
    (SaslOutcome, [UByte(5)], "amqp:invalid-field", "code is 5"),
    (SaslMechanisms, [Array(Symbol)], "amqp:invalid-field", "lacks its field sasl-server-mechanisms"),
    (Modified, [None, None, {"a": 1, b"b": 2}], "amqp:decode-error", "neither a symbol nor a ulong"),
    (MessageProperties, [UInt(1)], "amqp:decode-error", "message-id is no ulong"),
]


@pytest.mark.parametrize(("cls", "values", "condition", "text"), WRONG, ids=[case[3] for case in WRONG])
def test_wrong_fields(cls: type[Composite], values: list[object], condition: str, text: str) -> None:
    with pytest.raises(DecodeError, match=text) as caught:
        decode_composite(cls.PREFIX + encode(values))
    assert caught.value.condition == condition


def test_a_fault_within_a_field_says_where() -> None:
    source = Described(ULong(0x28), [None, UInt(9)])
    with pytest.raises(InvalidField, match="amqp:attach:list: source amqp:source:list: durable is 9"):
        decode_composite(Attach.PREFIX + encode(["l", UInt(0), True, None, None, source]))


def test_what_is_multiple_is_one_or_an_array() -> None:
    """Part 1 §1.4: null and an empty array are the same; ours is always an array, also of one."""
    head = Coordinator.PREFIX
    for value, expected in (
        (Symbol("a"), ["a"]),
        (Array(Symbol, [Symbol("a"), Symbol("b")]), ["a", "b"]),
        (Array(Symbol), None),
        (Array(str), None),
        (None, None),
    ):
        assert decode_composite(head + encode([value]))[0] == Coordinator(capabilities=expected)
    assert encode_composite(Coordinator(capabilities=["a"])) == head + encode([Array(Symbol, [Symbol("a")])])
    assert encode_composite(Coordinator(capabilities="a")) == head + encode([Array(Symbol, [Symbol("a")])])
    assert encode_composite(Coordinator(capabilities=[])) == head + b"\x45"


def test_keys_of_fields_are_symbols() -> None:
    data = encode_composite(Open(container_id="c", properties={"product": "x"}))
    assert encode(Symbol("product")) in data
    # Somebody sends strings.
    found, _ = decode_composite(Open.PREFIX + encode(["c", *[None] * 8, {"product": "x"}]))
    assert isinstance(found, Open)
    assert found.properties == {"product": "x"}


def test_trailing_nulls_are_left_out() -> None:
    assert encode_composite(Close()) == b"\x00\x53\x18\x45"
    assert encode_composite(Detach(handle=0)) == b"\x00\x53\x16\xc0\x02\x01\x43"
    assert encode_composite(Detach(handle=0, error=Error(condition="a"))).endswith(
        b"\x43\x40\x00\x53\x1d\xc0\x04\x01\xa3\x01a"
    )


@pytest.mark.parametrize(
    "value",
    [
        Open(container_id="c", max_frame_size=1 << 32),
        Open(container_id="c", channel_max=1 << 16),
        Open(container_id="c", hostname="\ud800"),
        Attach(name="l", handle=-1, role=True),
        Attach(name="l", handle=0, role=True, source=Error(condition="x")),  # type: ignore[arg-type]
        Attach(name=None, handle=0, role=True),  # type: ignore[arg-type]
        Transfer(handle=0, delivery_tag=b"t" * 33),
        SaslInit(mechanism="é"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_encoded(value: Composite) -> None:
    with pytest.raises((EncodeError, DecodeError)):
        encode_composite(value)


def test_what_is_no_composite_value() -> None:
    for data in (b"\x45", encode(Described(ULong(0x99), [])), encode(Described("x", [])), b""):
        with pytest.raises(DecodeError):
            decode_composite(data)
