"""Whatever a client sends, in whatever order and pieces, the next client is served, and the broker has no fault to log.

Performatives are made up by the tables of the specification, with values that are often right: so that they get far.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given, strategies as st

from batonmq.protocols.amqp10.settings import Amqp10Settings
from batonmq.protocols.sessions.standing import FINISHED
from tests.protocols.amqp10.client import AMQP_HEADER, SASL_HEADER, Client, Delivery, message, of
from tests.support.amqp10_codec import FIELDS, SASL, Raw, Sym, composite, data, described, encode, frame, ubyte, ulong
from tests.support.driven import Driven

SETTINGS = Amqp10Settings(max_frame_size=4096, channel_max=3, handle_max=4, max_message_size=20_000)
# What a connection may have to say without being heard: some answers to each thing that it was sent.
MOST_OUTPUT = 1 << 20
LOG_IN = frame(composite("init", mechanism=Sym("PLAIN"), initial_response=b"\0guest\0guest"), 0, SASL)
OPEN = frame(composite("open", container_id="any"))
BEGIN = composite("begin", next_outgoing_id=0, incoming_window=100, outgoing_window=100)


class Faults(logging.Handler):
    """What is logged as an error, or with a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info:
            self.found.append(self.format(record))


@contextmanager
def _no_faults() -> Iterator[None]:
    faults = Faults()
    logger = logging.getLogger("batonmq")
    logger.addHandler(faults)
    try:
        yield
    finally:
        logger.removeHandler(faults)
    assert faults.found == []


# Values: mostly small numbers, so that handles, ids and channels meet.

small = st.integers(0, 5)
numbers = st.one_of(small, small, st.sampled_from([2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]), st.integers(0, 2**32 - 1))
names = st.sampled_from(
    ["q", "/queues/q", "q2", "topic://t", "/exchanges/amq.topic/a.b", "/exchanges/none", "", "/queues/%"]
)
symbols = st.sampled_from(
    ["queue", "topic", "copy", "move", "never", "link-detach", "temporary-queue", "shared", "global"]
)
scalars: st.SearchStrategy[object] = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    numbers.map(ulong),
    st.integers(0, 255).map(ubyte),
    names,
    symbols.map(Sym),
    st.binary(max_size=40),
    st.text(max_size=10),
    st.sampled_from([Raw(b"\x45"), Raw(b"\xc1\x01\x00"), Raw(b"\x82" + bytes(8)), Raw(b"\x83" + b"\xff" * 8)]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(symbols.map(Sym), names), inner, max_size=3),
        st.tuples(st.integers(0, 255), inner).map(lambda pair: described(*pair)),
    ),
    max_leaves=5,
)
filters = st.dictionaries(
    st.sampled_from([Sym("selector"), Sym("jms-selector"), Sym("no-local")]),
    st.tuples(
        st.sampled_from(["apache.org:selector-filter:string", "apache.org:no-local-filter:list"]),
        st.sampled_from(["a = 1", "a >", "", "NOT a"]),
    ).map(lambda pair: described(*pair)),
    max_size=2,
)
sources = st.builds(
    lambda **fields: composite("source", **fields),
    address=st.one_of(names, st.none()),
    durable=st.one_of(st.none(), numbers),
    dynamic=st.one_of(st.none(), st.booleans()),
    expiry_policy=st.one_of(st.none(), symbols.map(Sym)),
    distribution_mode=st.one_of(st.none(), symbols.map(Sym)),
    filter=st.one_of(st.none(), filters),
    capabilities=st.one_of(st.none(), symbols.map(Sym)),
)
targets = st.builds(
    lambda **fields: composite("target", **fields),
    address=st.one_of(names, st.none()),
    dynamic=st.one_of(st.none(), st.booleans()),
    capabilities=st.one_of(st.none(), symbols.map(Sym)),
)
coordinators = st.just(composite("coordinator", capabilities=Sym("amqp:local-transactions")))
outcomes = st.one_of(
    st.sampled_from([composite("accepted"), composite("rejected"), composite("released"), composite("modified")]),
    st.builds(
        lambda *fields: composite("modified", delivery_failed=fields[0], undeliverable_here=fields[1]),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(lambda note: composite("modified", message_annotations={Sym("x-opt-a"): note}), values),
    st.just(composite("received", section_number=0, section_offset=ulong(3))),
    st.just(composite("transactional_state", txn_id=b"\0\0\0\0", outcome=composite("accepted"))),
    values,
)
properties = st.lists(scalars, max_size=13).map(lambda items: described(0x73, items))
payloads = st.one_of(
    st.binary(max_size=30),
    st.binary(max_size=3000).map(data),
    st.tuples(properties, st.binary(max_size=20).map(data)).map(b"".join),
    st.tuples(st.sampled_from([0x70, 0x71, 0x72, 0x74, 0x76, 0x77, 0x78]), values).map(lambda pair: described(*pair)),
    st.tuples(st.just(0x77), st.sampled_from([composite("declare"), composite("discharge", txn_id=b"\0" * 4)])).map(
        lambda pair: described(*pair)
    ),
)
ids = {
    "delivery_id": numbers,
    "first": small,
    "last": st.one_of(st.none(), numbers),
    "delivery_tag": st.binary(max_size=35),
}
right: dict[str, st.SearchStrategy[object]] = {
    "name": st.sampled_from(["a", "b", "management-link-pair"]),
    "handle": small,
    "role": st.booleans(),
    "closed": st.booleans(),
    "settled": st.booleans(),
    "more": st.one_of(st.none(), st.booleans()),
    "drain": st.one_of(st.none(), st.booleans()),
    "echo": st.one_of(st.none(), st.booleans()),
    "aborted": st.sampled_from([None, None, None, True]),
    "resume": st.sampled_from([None, None, None, True]),
    "link_credit": st.one_of(small, numbers),
    "source": st.one_of(sources, st.none()),
    "target": st.one_of(targets, coordinators, st.none()),
    "state": outcomes,
    "error": st.just(composite("error", condition=Sym("amqp:internal-error"))),
    "snd_settle_mode": st.one_of(st.none(), st.integers(0, 3).map(ubyte)),
    "rcv_settle_mode": st.one_of(st.none(), st.integers(0, 2).map(ubyte)),
    "message_format": st.just(0),
    "container_id": st.just("any"),
    "idle_time_out": st.one_of(st.none(), st.sampled_from([1, 1000, 60_000])),
    "incoming_window": st.one_of(small, st.just(1000)),
    "outgoing_window": st.just(1000),
    "properties": st.none(),
    "delivery_id": numbers,
    "delivery_tag": st.binary(max_size=35),
    "first": small,
    "last": st.one_of(st.none(), numbers),
}
maybe = st.one_of(st.none(), numbers)


@st.composite
def performatives(draw: st.DrawFn, names: st.SearchStrategy[str], *, is_wild: bool) -> bytes:
    """A frame with a performative; wild: any field may have any value."""
    name = draw(names)
    fields = {field: draw(right.get(field, maybe)) for field in FIELDS[name].split()}
    for field in draw(st.sets(st.sampled_from(FIELDS[name].split()), max_size=2)) if is_wild and fields else ():
        fields[field] = draw(values)
    payload = draw(payloads) if name == "transfer" else b""
    return frame(composite(name, **fields) + payload, draw(st.integers(0, 4 if is_wild else 1)))


ordinary = st.sampled_from(
    [
        "attach",
        "attach",
        "flow",
        "flow",
        "transfer",
        "transfer",
        "transfer",
        "disposition",
        "disposition",
        "detach",
        "end",
        "begin",
    ]
)
anything = st.sampled_from(
    [
        *(name for name in FIELDS if name not in ("header", "error")),
        "attach",
        "flow",
        "transfer",
        "transfer",
        "disposition",
    ]
)
steps = st.one_of(
    performatives(ordinary, is_wild=False),
    performatives(ordinary, is_wild=False),
    performatives(anything, is_wild=True),
    st.just(frame(b"")),
    st.just(frame(BEGIN, 1)),
)
noise = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=40).map(frame),
    values.map(lambda value: frame(encode(value))),
    st.sampled_from([AMQP_HEADER, SASL_HEADER, LOG_IN, OPEN, b"\xff" * 8, bytes(8)]),
)
# How far a client gets before it does something strange.
beginnings = st.sampled_from(
    [
        b"",
        SASL_HEADER,
        SASL_HEADER + LOG_IN,
        SASL_HEADER + LOG_IN + AMQP_HEADER,
        SASL_HEADER + LOG_IN + AMQP_HEADER + OPEN,
        *[SASL_HEADER + LOG_IN + AMQP_HEADER + OPEN + frame(BEGIN)] * 5,
    ]
)


def _pieces(stream: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        if at >= len(stream):
            return
        yield stream[at : at + size]
        at += size
    if at < len(stream):
        yield stream[at:]


def _try(stream: bytes, sizes: list[int]) -> None:
    with _no_faults():
        driven = Driven()
        driven.queue("q")
        for number in range(3):
            driven.publish(f"{number}")
        driven.settle()
        client = Client(driven, SETTINGS)
        for piece in _pieces(stream, sizes):
            client.session.receive(piece)
            driven.settle()
            client.session.turn_ended()
            assert sum(map(len, client.session.output)) < MOST_OUTPUT + 100 * len(stream)
            client.session.output.clear()
            if client.session.standing() & FINISHED:
                break
            driven.clock.now += 0.01
            client.session.tick(driven.clock.now)
        client.lose()
        _is_served(driven)


def _is_served(driven: Driven) -> None:
    """What another client sends, it gets."""
    client = Client(driven, SETTINGS).start()
    client.transfer(client.sender("fresh"), message(b"still there"))
    came: list[object] = []
    handle = client.receiver("fresh")
    came += client.credit(handle, 10)
    assert [delivery.body for delivery in of(came, Delivery)] == [b"still there"]
    client.lose()


@given(
    beginnings, st.lists(st.one_of(steps, steps, steps, noise), max_size=30), st.lists(st.integers(1, 300), max_size=30)
)
def test_performatives_in_any_order(beginning: bytes, steps: list[bytes], sizes: list[int]) -> None:
    _try(beginning + b"".join(steps), sizes)


@given(beginnings, st.binary(max_size=300), st.lists(st.integers(1, 20), max_size=30))
def test_any_bytes_at_any_time(beginning: bytes, noise: bytes, sizes: list[int]) -> None:
    _try(beginning + noise, sizes)


@given(
    st.lists(performatives(ordinary, is_wild=False), min_size=1, max_size=15),
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_good_input_with_bytes_changed(steps: list[bytes], changes: list[tuple[int, int]]) -> None:
    stream = bytearray(b"".join(steps))
    for at, byte in changes:
        stream[at % len(stream)] = byte
    _try(SASL_HEADER + LOG_IN + AMQP_HEADER + OPEN + frame(BEGIN) + bytes(stream), [])
