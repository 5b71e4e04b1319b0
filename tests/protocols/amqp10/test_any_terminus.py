"""Whatever a client asks for in a terminus, it gets it or is told why not."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings, strategies as st

from batonmq.errors import BrokerError
from batonmq.protocols.amqp10.codec.composites import encode_composite
from batonmq.protocols.amqp10.codec.performatives import (
    Attach,
    DeleteOnNoLinks,
    DeleteOnNoMessages,
    Modified,
    Source,
    Target,
)
from batonmq.protocols.amqp10.codec.values import Array, Described, Symbol, UInt, ULong
from batonmq.protocols.amqp10.dialects import DIALECTS
from batonmq.protocols.amqp10.failures import LinkFailure
from tests.protocols.amqp10.linked import Linked
from tests.support.driven import Driven

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1).map(lambda value: ULong(value) if value >= 2**63 else value),
    st.floats(),
    st.binary(max_size=5),
    st.sampled_from(["", "a = 1", "a =", "x\ny", "drop-head", "JMSPriority > 4"]),
    st.sampled_from([Symbol("amqp:delete-on-close:list"), Symbol("apache.org:selector-filter:string")]),
    st.just(Array(UInt, [UInt(1)])),
)
DESCRIPTORS = st.one_of(
    SCALARS,
    st.sampled_from([ULong(0x0000468C00000004), ULong(0x0000468C00000003), ULong(0x120), ULong(0x2B), ULong(0x2E)]),
    st.lists(SCALARS, max_size=1),
    st.dictionaries(st.text(max_size=1), SCALARS, max_size=1),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2),
    st.builds(Described, DESCRIPTORS, st.one_of(SCALARS, st.just([]))),
    st.sampled_from([DeleteOnNoLinks(), DeleteOnNoMessages()]),
)
NAMES = st.sampled_from(
    [
        "lifetime-policy",
        "selector",
        "jms-selector",
        "sql-filter",
        "no-local",
        "x-max-length",
        "x-expires",
        "x-overflow",
        "x-max-priority",
        "x-selector",
        "x-retry-backoff",
        "rabbitmq:priority",
        "priority",
        "exclusive",
        "rabbitmq:consumer-timeout",
        "other",
    ]
).map(Symbol)
FIELDS = st.one_of(st.none(), st.dictionaries(NAMES, VALUES, max_size=3))
CAPABILITIES = st.lists(
    st.sampled_from(
        ["queue", "topic", "temporary-queue", "temporary-topic", "shared", "global", "rabbitmq:volatile-queue", "x"]
    ),
    max_size=3,
)
ADDRESSES = st.one_of(
    st.none(),
    st.sampled_from(
        ["q", "/queues/q", "/queues/%", "topic://t", "t::q", "/exchanges/amq.topic/k", "/exchange/e", "a,b"]
    ),
    st.text(max_size=6),
)
TERMINUS = {
    "address": ADDRESSES,
    "durable": st.sampled_from([None, 0, 1, 2]),
    "expiry_policy": st.sampled_from([None, "link-detach", "session-end", "connection-close", "never", "other"]),
    "timeout": st.sampled_from([None, 0, 1, 2**32 - 1]),
    "dynamic": st.sampled_from([None, False, True]),
    "dynamic_node_properties": FIELDS,
    "capabilities": CAPABILITIES.map(lambda names: names or None),
}
SOURCES = st.fixed_dictionaries(
    TERMINUS,
    optional={
        "filter": FIELDS,
        "distribution_mode": st.sampled_from(["copy", "move", "other"]),
        "default_outcome": st.just(Modified(delivery_failed=True)),
    },
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(DIALECTS)), st.lists(st.tuples(SOURCES, FIELDS, st.booleans()), max_size=4), st.booleans())
def test_any_termini(
    dialect: str, wanted: list[tuple[dict[str, object], dict[Symbol, object], bool]], closed: bool
) -> None:
    driven = Driven()
    linked = Linked(driven, DIALECTS[dialect])
    opened = []
    for fields, properties, receives in wanted:
        name = "a|1" if closed else "a\n"
        if receives:
            attach = Attach(name=name, handle=0, role=True, source=Source(**fields), properties=properties)  # type: ignore[arg-type]
        else:
            only = {key: value for key, value in fields.items() if key in TERMINUS}
            attach = Attach(name=name, handle=0, role=False, target=Target(**only), properties=properties)  # type: ignore[arg-type]
        with suppress(LinkFailure, BrokerError):
            if receives:
                source = linked.nodes.open_source(attach)
                opened.append(source)
                assert encode_composite(source.source)
            else:
                target = linked.nodes.open_target(attach)
                opened.append(target)  # type: ignore[arg-type]
                assert encode_composite(target.target)
    driven.settle()
    for each in opened:
        linked.close(each, closed=closed)
    linked.lose()
    driven.settle()
    left = [queue for queue in linked.queues.values() if queue.exclusive or queue.name.startswith("amq.gen-")]
    assert not left
