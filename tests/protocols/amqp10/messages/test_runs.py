"""Messages that come one after the other are read together as each would be by itself."""

from __future__ import annotations

from hypothesis import given, strategies as st

from batonmq.message import Message
from batonmq.protocols.amqp10.dialects import SPEC
from batonmq.protocols.amqp10.messages.incoming import MessageReader
from tests.support.amqp10_codec import Sym, composite, data, described
from tests.support.driven import HandClock

CLOCK = HandClock()
HEADS = st.sampled_from(
    [
        b"",
        composite("header", durable=True),
        composite("header", durable=False),
        composite("header", ttl=5000),
        described(0x71, {Sym("x-opt-a"): 1}),
        described(0x72, {Sym("x-opt-note"): "a"}),
        described(0x73, ["id-1"]),
        described(0x73, ["id-2"]),
        composite("header", durable=True) + described(0x73, ["id-3"]),
        described(0x74, {"a": 1}),
    ]
)
BODIES = st.sampled_from(
    [
        data(b""),
        data(b"one"),
        data(b"two"),
        data(b"x" * 300),
        data(b"a") + data(b"b"),
        data(b"a") + described(0x78, {}),
        described(0x77, "one"),
        described(0x77, "two"),
        described(0x77, None),
        described(0x76, [1]),
        b"",
        b"garbage",
    ]
)
MESSAGES = st.tuples(HEADS, BODIES, st.integers(1, 3)).map(lambda made: [made[0] + made[1]] * made[2])


def _all(message: Message) -> tuple[object, ...]:
    return (
        message.properties.raw,
        message.properties.flags,
        message.payload,
        message.start,
        message.size,
        message.weight,
        message.framing,
    )


@given(st.lists(MESSAGES, min_size=1, max_size=12))
def test_a_run_is_read_as_its_messages_one_by_one(groups: list[list[bytes]]) -> None:
    payloads = [payload for group in groups for payload in group]
    together = MessageReader(CLOCK, SPEC).read_plain(iter(payloads), "", "q")
    alone = [MessageReader(CLOCK, SPEC).read(payload, "", "q") for payload in payloads[: len(together)]]
    assert [_all(message) for message in together] == [_all(message) for message in alone]
    assert all(message.properties.plain for message in together)


def test_a_run_does_not_end_where_messages_differ() -> None:
    payloads = [described(0x73, [f"id-{number}"]) + data(b"x") for number in range(5)]
    found = MessageReader(CLOCK, SPEC).read_plain(iter(payloads), "", "q")
    assert [message.properties.message_id for message in found] == [f"id-{number}" for number in range(5)]
