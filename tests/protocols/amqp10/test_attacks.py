"""Performatives in any order and with any values: an error of the specification's, and nobody else minds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from batonmq.protocols.amqp10.codec.composites import Composite, encode_composite
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
    End,
    Error,
    Flow,
    MessageProperties,
    Modified,
    Open,
    Received,
    Rejected,
    Released,
    Source,
    Target,
    TransactionalState,
    Transfer,
)
from batonmq.protocols.amqp10.codec.values import Described, Symbol, UByte, UInt, ULong, UShort
from tests.protocols.amqp10.client import Client, message, one
from tests.support.driven import Driven

NUMBERS = st.sampled_from([0, 1, 2, 3, 7, 999, 1_000, 2_047, 2_048, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]).map(UInt)
SMALL = st.sampled_from([0, 0, 0, 1, 1, 2, 3]).map(UInt)
HANDLES = st.one_of(SMALL, SMALL, NUMBERS)
BOOLEANS = st.sampled_from([None, False, True])
OCTETS = st.sampled_from([b"", b"a", b"tag", bytes(32)])
VALUES: st.SearchStrategy[object] = st.sampled_from(
    [None, True, UInt(3), "text", Symbol("x-sym"), b"bytes", [], {}, [UInt(1)], Described(ULong(0x77), 1)]
)
SYMBOLS = st.sampled_from(["x-opt-a", "x-a", "queue", "temporary-queue", "nonsense", "amqp:accepted:list", "x-death"])
MAPS = st.dictionaries(SYMBOLS.map(Symbol), VALUES, max_size=3)
ADDRESSES = st.sampled_from(
    [
        None,
        "",
        "q",
        "/queues/q",
        "/queues/",
        "/queue/q",
        "/exchanges/",
        "/exchanges/amq.direct/q",
        "/management",
        "/x",
        "/queues/%zz",
        "queue://q",
        "topic://t",
        "/queues/none",
        "$cbs",
        "amq.rabbitmq.reply-to",
        "a" * 300,
    ]
)
ERRORS = st.builds(
    Error, condition=SYMBOLS.map(Symbol), description=st.sampled_from([None, "", "d" * 2_000]), info=MAPS
)
OUTCOMES = st.one_of(
    st.just(Accepted()),
    st.just(Released()),
    st.builds(Rejected, error=st.one_of(st.none(), ERRORS)),
    st.builds(Modified, delivery_failed=BOOLEANS, undeliverable_here=BOOLEANS, message_annotations=MAPS),
    st.builds(Declared, txn_id=OCTETS),
)
STATES = st.one_of(
    OUTCOMES,
    st.builds(Received, section_number=NUMBERS, section_offset=st.just(ULong(0))),
    st.builds(TransactionalState, txn_id=OCTETS, outcome=st.one_of(st.none(), OUTCOMES)),
)
NAMES = st.sampled_from(["one", "other", "", "n" * 300])
NODES = {
    "address": ADDRESSES,
    "durable": st.sampled_from([None, UInt(0), UInt(1), UInt(2)]),
    "expiry_policy": st.sampled_from([None, "link-detach", "session-end", "connection-close", "never", "nonsense"]).map(
        lambda name: None if name is None else Symbol(name)
    ),
    "timeout": st.one_of(st.none(), NUMBERS),
    "dynamic": BOOLEANS,
    "dynamic_node_properties": st.one_of(
        st.none(),
        MAPS,
        st.just({Symbol("lifetime-policy"): DeleteOnClose()}),
        st.just({Symbol("lifetime-policy"): "no"}),
    ),
    "capabilities": st.one_of(st.none(), st.lists(SYMBOLS.map(Symbol), max_size=3)),
}
SOURCES = st.builds(
    Source,
    **NODES,
    distribution_mode=st.sampled_from([None, "copy", "move", "nonsense"]).map(
        lambda name: None if name is None else Symbol(name)
    ),
    filter=st.one_of(
        st.none(),
        MAPS,
        st.sampled_from(["a = 1", "a =", "(" * 50, ""]).map(
            lambda text: {Symbol("s"): Described(Symbol("apache.org:selector-filter:string"), text)}
        ),
    ),
    default_outcome=st.one_of(st.none(), OUTCOMES),
    outcomes=st.one_of(st.none(), st.lists(SYMBOLS.map(Symbol), max_size=3)),
)
TARGETS = st.one_of(st.none(), st.builds(Target, **NODES), st.builds(Coordinator, capabilities=st.none()))
RARE = st.one_of(
    st.builds(Open, container_id=NAMES, max_frame_size=st.one_of(st.none(), NUMBERS)),
    st.builds(End, error=st.one_of(st.none(), ERRORS)),
    st.builds(Close, error=st.one_of(st.none(), ERRORS)),
    st.builds(
        Begin,
        remote_channel=st.one_of(st.none(), st.just(UShort(0))),
        next_outgoing_id=NUMBERS,
        incoming_window=NUMBERS,
        outgoing_window=NUMBERS,
        handle_max=st.one_of(st.none(), NUMBERS),
    ),
)
COMMON = st.one_of(
    st.builds(
        Attach,
        name=NAMES,
        handle=HANDLES,
        role=st.booleans(),
        snd_settle_mode=st.sampled_from([None, UByte(0), UByte(1), UByte(2)]),
        rcv_settle_mode=st.sampled_from([None, UByte(0), UByte(1)]),
        source=st.one_of(st.none(), SOURCES),
        target=TARGETS,
        unsettled=st.one_of(st.none(), st.just({b"tag": Accepted()})),
        incomplete_unsettled=BOOLEANS,
        initial_delivery_count=st.one_of(st.none(), NUMBERS),
        max_message_size=st.sampled_from([None, ULong(0), ULong(1), ULong(2**64 - 1)]),
        properties=st.one_of(st.none(), MAPS, st.just({Symbol("paired"): True})),
    ),
    st.builds(
        Flow,
        next_incoming_id=st.one_of(st.none(), NUMBERS),
        incoming_window=NUMBERS,
        next_outgoing_id=NUMBERS,
        outgoing_window=NUMBERS,
        handle=st.one_of(st.none(), HANDLES),
        delivery_count=st.one_of(st.none(), NUMBERS),
        link_credit=st.one_of(st.none(), NUMBERS),
        available=st.one_of(st.none(), NUMBERS),
        drain=BOOLEANS,
        echo=BOOLEANS,
    ),
    st.builds(
        Transfer,
        handle=HANDLES,
        delivery_id=st.one_of(st.none(), NUMBERS),
        delivery_tag=st.one_of(st.none(), OCTETS),
        message_format=st.one_of(st.none(), NUMBERS),
        settled=BOOLEANS,
        more=BOOLEANS,
        rcv_settle_mode=st.sampled_from([None, UByte(0), UByte(1)]),
        state=st.one_of(st.none(), STATES),
        resume=BOOLEANS,
        aborted=BOOLEANS,
        batchable=BOOLEANS,
    ),
    st.builds(
        Disposition,
        role=st.booleans(),
        first=NUMBERS,
        last=st.one_of(st.none(), NUMBERS),
        settled=BOOLEANS,
        state=st.one_of(st.none(), STATES),
        batchable=BOOLEANS,
    ),
    st.builds(Detach, handle=HANDLES, closed=BOOLEANS, error=st.one_of(st.none(), ERRORS)),
)


def encode_to(address: str | None) -> bytes:
    return encode_composite(MessageProperties(to=address))


REQUESTS = st.one_of(st.builds(Declare, global_id=VALUES), st.builds(Discharge, txn_id=OCTETS, fail=BOOLEANS))
PAYLOADS = st.one_of(
    st.just(message(b"m")),
    st.just(message(b"m", b"\x00\x53\x70\xc0\x02\x01\x41")),
    REQUESTS.map(lambda request: b"\x00\x53\x77" + encode_composite(request)),
    st.binary(max_size=20),
    # A message to an address of its own.
    ADDRESSES.map(lambda to: message(b"m", encode_to(to))),
)
STEPS = st.one_of(
    *[st.tuples(st.just(0), COMMON, PAYLOADS) for _ in range(9)],
    st.tuples(st.sampled_from([0, 1, 2_048, 65_535]), st.one_of(COMMON, RARE), PAYLOADS),
)


@pytest.mark.timeout(300)
@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(STEPS, max_size=12),
    messages=st.integers(0, 3),
)
def test_nothing_that_a_client_says_is_a_fault_of_ours(
    steps: list[tuple[int, Composite, bytes]], messages: int
) -> None:
    driven = Driven()
    driven.queue("q")
    for number in range(messages):
        driven.publish(f"m{number}")
    client = Client(driven)
    client.start()
    client.sender("/queues/q", name="one")
    client.receiver("/queues/q", credit=2, name="two")
    client.sender(None, name="three")
    for channel, performative, payload in steps:
        data = payload if isinstance(performative, Transfer) else b""
        for came in client.say(performative, data, channel):  # type: ignore[arg-type]
            error = getattr(came, "error", None)
            assert error is None or str(error.condition) != "amqp:internal-error", (performative, came)
            if isinstance(came, End):
                # So that there is more to come.
                if not isinstance(performative, End):
                    client.say(End())
                client.say(Begin(next_outgoing_id=UInt(0), incoming_window=UInt(99), outgoing_window=UInt(99)))
    client.lose()
    # Whatever it was, the next one is served, and nothing is left in its hands.
    assert driven.operations.find_queue("q").unsettled == 0
    other = Client(driven).start()
    handle = other.sender("/queues/q")
    assert isinstance(one(other.transfer(handle, message(b"after")), Disposition).state, Accepted)
    assert driven.operations.browse("q").read(1_000)[-1].message.body == b"after"
