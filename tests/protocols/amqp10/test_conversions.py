"""What a message says over AMQP 1.0 is understood by the broker: copies, delays, groups, duplicates, users, times."""

from __future__ import annotations

import pytest

from batonmq.protocols.amqp10.codec.performatives import Accepted, Disposition, Header, MessageProperties, Rejected
from batonmq.protocols.amqp10.codec.values import Symbol, Timestamp, UByte, UInt
from tests.protocols.amqp10.client import Client, Delivery, of, one
from tests.support.amqp10_messages import build, read
from tests.support.driven import Driven


@pytest.fixture
def driven() -> Driven:
    driven = Driven()
    driven.queue("q", x_deduplication_window=60_000)
    driven.queue("copy")
    return driven


@pytest.fixture
def client(driven: Driven) -> Client:
    return Client(driven).start()


def send(client: Client, message: bytes) -> object:
    """Send a message to `q`; tells its outcome."""
    sender = client.sender("/queues/q", name=f"sender {client._next_handle}")
    return one(client.transfer(sender, message), Disposition).state


def counts(driven: Driven) -> tuple[int, int]:
    return driven.operations.find_queue("q").ready_count, driven.operations.find_queue("copy").ready_count


def test_copies_go_where_an_annotation_says(client: Client, driven: Driven) -> None:
    assert isinstance(send(client, build(annotations={"x-cc": ["copy", "nowhere", "q"]})), Accepted)
    assert counts(driven) == (1, 1)


@pytest.mark.parametrize("held", ["copy", ["copy"]])
def test_an_application_property_of_that_name_is_nothing_special(client: Client, driven: Driven, held: object) -> None:
    assert isinstance(send(client, build(application={"BCC": held, "x-cc": "copy"})), Accepted)
    assert isinstance(send(client, build(application={"CC": "copy"})), Accepted)
    assert counts(driven) == (2, 0)


def test_a_delivery_waits_as_long_as_an_annotation_says(client: Client, driven: Driven) -> None:
    assert isinstance(send(client, build(annotations={"x-opt-delivery-delay": UInt(5_000)})), Accepted)
    moment = Timestamp(int(driven.clock.time() * 1000) + 9_000)
    assert isinstance(send(client, build(annotations={"x-opt-delivery-time": moment})), Accepted)
    assert counts(driven) == (0, 0)
    driven.wait(5)
    assert counts(driven) == (1, 0)
    driven.wait(4)
    assert counts(driven) == (2, 0)


def test_a_delay_that_means_nothing_is_rejected(client: Client, driven: Driven) -> None:
    outcome = send(client, build(annotations={"x-opt-delivery-delay": -1}))
    assert isinstance(outcome, Rejected)
    assert outcome.error is not None
    assert outcome.error.condition == "amqp:precondition-failed"


@pytest.mark.parametrize("name", ["_AMQ_DUPL_ID", "x-deduplication-header"])
def test_a_message_does_not_come_twice(client: Client, driven: Driven, name: str) -> None:
    for _ in range(2):
        assert isinstance(send(client, build(application={name: "once"})), Accepted)
    assert counts(driven) == (1, 0)


def test_a_message_expires(client: Client, driven: Driven) -> None:
    now = int(driven.clock.time() * 1000)
    send(client, build(header=Header(ttl=UInt(5_000))))
    send(client, build(properties=MessageProperties(absolute_expiry_time=Timestamp(now + 9_000))))
    driven.wait(4)
    browsed = client.receiver("/queues/q", credit=5)
    left = [read(delivery.payload).header.ttl for delivery in of(client.came, Delivery)]
    assert browsed >= 0
    assert left == [1_000, 5_000]


def test_members_of_a_group_are_held_by_one(client: Client, driven: Driven) -> None:
    for number in range(3):
        send(client, build(properties=MessageProperties(group_id=f"g{number % 2}")))
    first, second = driven.consume(prefetch=1), driven.consume(prefetch=5)
    driven.settle()
    held = [[one.message.properties.app_id for one in taker.held] for taker in (first, second)]
    assert held == [["g0"], ["g1"]]


def test_what_was_released_was_with_somebody(client: Client, driven: Driven) -> None:
    send(client, build(header=Header(priority=UByte(9)), annotations={"x-opt-a": Symbol("b")}))
    queue = driven.operations.find_queue("q")
    held = queue.get()
    assert held is not None
    queue.release([held], failed=False)
    client.receiver("/queues/q", credit=1)
    (delivery,) = of(client.came, Delivery)
    found = read(delivery.payload)
    assert (found.header.priority, found.header.first_acquirer) == (9, False)
    assert found.annotations == {"x-opt-a": "b", "x-exchange": "", "x-routing-key": "q"}
