"""Dispositions and rollbacks of a client that holds much: what they cost the others, and what comes back in order."""

from __future__ import annotations

from batonmq.protocols.amqp10.codec.composites import encode_composite
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Coordinator,
    Declare,
    Declared,
    Discharge,
    Disposition,
    End,
    Received,
    Source,
    TransactionalState,
)
from batonmq.protocols.amqp10.codec.values import UInt, ULong
from batonmq.protocols.amqp10.session import is_short
from tests.protocols.amqp10.client import Client, Delivery, of, one
from tests.support.driven import Driven


def is_quick(first: int, last: int | None) -> bool:
    return is_short(Disposition(role=True, first=UInt(first), last=last, settled=True, state=Accepted()))


def test_the_clock_is_looked_at_after_a_disposition_of_many() -> None:
    assert is_quick(5, None)
    assert is_quick(5, 5)
    assert is_quick(0xFFFF_FFFF, 3)
    assert not is_quick(0, 0xFFFF_FFFE)
    assert not is_quick(0x8000_0000, 0x8000_FFFF)


def test_received_decides_nothing() -> None:
    driven = Driven()
    driven.queue("q")
    driven.publish("m")
    client = Client(driven).start()
    client.receiver("/queues/q", 1)
    client.read()
    state = Received(section_number=UInt(0), section_offset=ULong(0))
    assert client.settle(0, state, 0xFFFF_FFFE, settled=False) == []
    assert client.settle(0, Accepted()) == []
    client.lose()
    assert driven.bodies() == []


def test_what_a_rollback_gave_back_returns_in_the_order_of_its_delivery() -> None:
    driven = Driven()
    driven.queue("q")
    for number in range(6):
        driven.publish(f"m{number}")
    client = Client(driven).start()
    client.receiver("/queues/q", 6)
    assert len(of(client.read(), Delivery)) == 6
    control = Attach(
        name="c",
        handle=UInt(7),
        role=False,
        source=Source(),
        target=Coordinator(),
        initial_delivery_count=UInt(0),
    )
    client.say(control)
    body = b"\x00\x53\x77"
    declared = one(client.transfer(7, body + encode_composite(Declare())), Disposition).state
    assert isinstance(declared, Declared)
    for number in (3, 1):
        client.settle(number, TransactionalState(txn_id=declared.txn_id, outcome=Accepted()), settled=False)
    client.transfer(7, body + encode_composite(Discharge(txn_id=declared.txn_id, fail=True)))
    client.say(End())
    assert driven.bodies() == [f"m{number}" for number in range(6)]
