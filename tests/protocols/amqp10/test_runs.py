"""AMQP 1.0 part 2 §2.7.5: many deliveries like each other in one read are taken as they would be one by one."""

from __future__ import annotations

import pytest

from batonmq.fields import FieldValue
from batonmq.protocols.amqp10 import Amqp10Settings
from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Coordinator,
    Declare,
    Declared,
    Detach,
    Disposition,
    End,
    Flow,
    MessageProperties,
    Rejected,
    Source,
    Transfer,
)
from batonmq.protocols.amqp10.codec.values import Symbol, UInt, encode
from tests.protocols.amqp10.client import Client, condition_of, of, one
from tests.support.driven import Driven

# The first id: from here on all of them have four octets.
FIRST = 1000


def body(text: str) -> bytes:
    return b"\x00Su" + encode(text.encode())


def burst(handle: int, payloads: list[bytes], first: int = FIRST, **fields: object) -> bytes:
    """Deliveries in one piece."""
    return b"".join(
        frame(
            0,
            Transfer(
                handle=UInt(handle),
                delivery_id=UInt(number),
                delivery_tag=number.to_bytes(4, "big"),
                message_format=UInt(0),
                **fields,  # type: ignore[arg-type]
            ),
            payload,
        )
        for number, payload in enumerate(payloads, first)
    )


def accepted(came: list[object]) -> set[int]:
    """The ids of all that was accepted."""
    found: set[int] = set()
    for said in of(came, Disposition):
        assert isinstance(said.state, Accepted), said
        found.update(range(said.first, (said.first if said.last is None else said.last) + 1))
    return found


@pytest.fixture
def driven() -> Driven:
    made = Driven()
    made.queue("q")
    return made


@pytest.mark.parametrize("settled", [False, True])
def test_more_than_the_credit_that_was_granted_at_first(driven: Driven, settled: bool) -> None:
    client = Client(driven).start()
    handle = client.sender("/queues/q")
    texts = [f"m{number:04}" for number in range(2_500)]
    came = client.feed(burst(handle, [body(text) for text in texts], settled=settled))
    assert accepted(came) == (set() if settled else set(range(FIRST, FIRST + 2_500)))
    assert not of(came, Detach)
    assert driven.bodies() == texts
    # What the client may send is counted in transfers.
    assert of(came, Flow)[-1].delivery_count in range(2_000, 2_501)


def test_what_asks_for_something_is_looked_at_by_itself(driven: Driven) -> None:
    """Some of a run have a user-id, which the broker has to look at; all are of one length."""
    client = Client(driven).start()
    handle = client.sender("/queues/q")
    asks = MessageProperties(user_id=b"guest").encoded()
    plain = MessageProperties(subject="gue").encoded()
    payloads = [(asks if number % 7 == 5 else plain) + body(f"m{number:03}") for number in range(100)]
    assert len({len(payload) for payload in payloads}) == 1
    came = client.feed(burst(handle, payloads))
    assert accepted(came) == set(range(FIRST, FIRST + 100))
    assert driven.bodies() == [f"m{number:03}" for number in range(100)]


def test_the_one_that_is_refused_ends_the_link_and_all_are_counted(driven: Driven) -> None:
    """The client's user-id is another's: what came before it is kept, what comes behind it is not."""
    client = Client(driven).start()
    handle = client.sender("/queues/q")
    good, bad = (MessageProperties(user_id=user).encoded() for user in (b"guest", b"guess"))
    payloads = [(bad if number == 40 else good) + body(f"m{number:03}") for number in range(60)]
    came = client.feed(burst(handle, payloads, settled=True))
    assert condition_of(one(came, Detach)) == "amqp:unauthorized-access"
    assert driven.bodies() == [f"m{number:03}" for number in range(40)]
    flow = Flow(incoming_window=UInt(9), next_outgoing_id=UInt(0), outgoing_window=UInt(9), echo=True)
    assert one(client.say(flow), Flow).next_incoming_id == 60


def test_what_cannot_be_read_ends_the_link(driven: Driven) -> None:
    client = Client(driven).start()
    handle = client.sender("/queues/q")
    payloads = [body(f"m{number:03}") for number in range(30)]
    payloads[20] = b"\x00Sz" + payloads[20][3:]
    came = client.feed(burst(handle, payloads))
    assert condition_of(one(came, Detach)) == "amqp:decode-error"
    assert accepted(came) == set(range(FIRST, FIRST + 20))
    assert driven.bodies() == [f"m{number:03}" for number in range(20)]


def test_what_is_too_large_ends_the_link(driven: Driven) -> None:
    client = Client(driven, Amqp10Settings(max_message_size=100)).start()
    handle = client.sender("/queues/q")
    came = client.feed(burst(handle, [body("x" * 101)] * 10))
    assert condition_of(one(came, Detach)) == "amqp:link:message-size-exceeded"
    assert driven.bodies() == []


def test_deliveries_of_all_sizes(driven: Driven) -> None:
    """What comes before one that is too large is kept, what comes behind it is not."""
    client = Client(driven, Amqp10Settings(max_message_size=100)).start()
    handle = client.sender("/queues/q")
    texts = [f"{number}" * (number % 9 + 1) for number in range(60)]
    texts[40] = "x" * 101
    came = client.feed(burst(handle, [body(text) for text in texts]))
    assert condition_of(one(came, Detach)) == "amqp:link:message-size-exceeded"
    assert accepted(came) == set(range(FIRST, FIRST + 40))
    assert driven.bodies() == texts[:40]


def test_where_the_exchange_is_gone_all_are_counted(driven: Driven) -> None:
    """A client and the broker must agree on how many transfers there were, or the window shrinks for good."""
    client = Client(driven).start()
    driven.operations.declare_exchange("gone", "fanout")
    handle = client.sender("/exchanges/gone")
    driven.operations.delete_exchange("gone")
    came = client.feed(burst(handle, [body("x")] * 10))
    assert condition_of(one(came, Detach)) == "amqp:not-found"
    flow = Flow(incoming_window=UInt(9), next_outgoing_id=UInt(0), outgoing_window=UInt(9), echo=True)
    assert one(client.say(flow), Flow).next_incoming_id == 10


def test_over_a_link_that_has_ended_they_are_counted_and_dropped(driven: Driven) -> None:
    client = Client(driven, Amqp10Settings(max_message_size=100)).start()
    handle = client.sender("/queues/q")
    one(client.feed(burst(handle, [body("x" * 101)])), Detach)
    assert client.feed(burst(handle, [body("x")] * 10, first=FIRST + 1)) == []
    flow = Flow(incoming_window=UInt(9), next_outgoing_id=UInt(0), outgoing_window=UInt(9), echo=True)
    assert one(client.say(flow), Flow).next_incoming_id == 11


def test_over_no_link_they_end_the_session(driven: Driven) -> None:
    client = Client(driven).start()
    came = client.feed(burst(7, [body("x")] * 10))
    assert condition_of(one(came, End)) == "amqp:session:unattached-handle"


def test_requests_to_the_coordinator_are_done_one_by_one(driven: Driven) -> None:
    client = Client(driven).start()
    target = Coordinator(capabilities=[Symbol("amqp:local-transactions")])
    count = UInt(0)
    attach = Attach(name="c", handle=UInt(5), role=False, source=Source(), target=target, initial_delivery_count=count)
    one(client.say(attach), Attach)
    came = client.feed(burst(5, [b"\x00Sw" + Declare().encoded()] * 10))
    declared = [said.state for said in of(came, Disposition)]
    assert len({state.txn_id for state in declared if isinstance(state, Declared)}) == 10


def test_to_a_full_queue_each_is_told_its_own_outcome(driven: Driven) -> None:
    limits: dict[str, FieldValue] = {"x-max-length": 5, "x-overflow": "reject-publish"}
    driven.queue("full", durable=True, **limits)
    client = Client(driven).start()
    handle = client.sender("/queues/full")
    came = client.feed(burst(handle, [body(f"m{number}") for number in range(10)]))
    outcomes = {
        number: type(said.state)
        for said in of(came, Disposition)
        for number in range(said.first, (said.first if said.last is None else said.last) + 1)
    }
    assert outcomes == {FIRST + number: Accepted if number < 5 else Rejected for number in range(10)}
    assert driven.bodies("full") == [f"m{number}" for number in range(5)]
