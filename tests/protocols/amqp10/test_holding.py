"""How long a client may hold a delivery, and when what it gives back is ready again."""

from __future__ import annotations

import pytest

from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Detach,
    Disposition,
    End,
    Flow,
    Modified,
    Outcome,
    Rejected,
    Released,
    Source,
    Target,
)
from batonmq.protocols.amqp10.codec.values import Long, Symbol, Timestamp, UInt
from tests.protocols.amqp10.client import Client, Delivery, condition_of, of, one
from tests.support.driven import Driven

TIMEOUT = Symbol("rabbitmq:consumer-timeout")
DELAY = Symbol("x-opt-delivery-delay")
DELIVER_AT = Symbol("x-opt-delivery-time")


@pytest.fixture
def driven() -> Driven:
    driven = Driven()
    driven.queue("q")
    return driven


@pytest.fixture
def client(driven: Driven) -> Client:
    return Client(driven).start()


def test_a_link_may_say_how_long_it_holds_a_delivery(client: Client, driven: Driven) -> None:
    driven.publish("m")
    client.receiver("/queues/q", 1, name="slow", properties={TIMEOUT: UInt(500)})
    assert one(client.read(), Delivery).body == b"m"
    client.receiver("/queues/q", 1, name="other")
    driven.wait(0.4)
    assert of(client.read(), Delivery) == []
    driven.wait(0.2)
    assert one(client.read(), Delivery).body == b"m"


def late(driven: Driven, client: Client, count: int = 1, credit: int = 10) -> int:
    """So many deliveries that were taken back from a link; tells its handle."""
    for number in range(count):
        driven.publish(f"m-{number}")
    handle = client.receiver("/queues/q", credit, name="slow", properties={TIMEOUT: UInt(500)})
    assert len(of(client.read(), Delivery)) == count
    driven.wait(0.6)
    return handle


def test_a_client_is_told_of_deliveries_that_were_taken_back(client: Client, driven: Driven) -> None:
    late(driven, client, count=3)
    told = one(client.read(), Disposition)
    assert (told.role, told.first, told.last, bool(told.settled), told.state) == (False, 0, 2, False, Released())


@pytest.mark.parametrize("outcome", [Accepted(), Released(), Rejected(), Modified(delivery_failed=True), None])
def test_a_link_gets_no_more_until_it_settles_what_was_taken_back(
    client: Client, driven: Driven, outcome: Outcome | None
) -> None:
    late(driven, client, count=2)
    driven.publish("next")
    assert of(client.read(), Delivery) == []
    assert of(client.settle(0, outcome), Delivery) == []
    assert [came.body for came in of(client.settle(1, outcome), Delivery)] == [b"m-0", b"m-1", b"next"]


def test_other_links_of_its_session_go_on(client: Client, driven: Driven) -> None:
    late(driven, client)
    client.receiver("/queues/q", 1, name="other")
    assert one(client.read(), Delivery).body == b"m-0"


def test_an_outcome_that_comes_too_late_is_answered_with_what_became_of_the_delivery(
    client: Client, driven: Driven
) -> None:
    late(driven, client, count=2, credit=3)
    client.read()
    driven.publish("next")
    client.settle(0, Released())
    client.receiver("/queues/q", 10, name="other")
    other = {came.delivery_id: came.body for came in of(client.read(), Delivery)}
    assert list(other.values()) == [b"m-0", b"m-1", b"next"]
    last = max(other)
    told = of(client.settle(0, Accepted(), UInt(last), settled=False), Disposition)
    assert [(each.first, each.last, each.settled, each.state) for each in told] == [
        (1, 1, True, Released()),
        (0, last, True, Accepted()),
    ]
    client.credit(0, 10, delivery_count=2)
    assert of(client.read(), Delivery) == []
    assert driven.bodies() == []


def test_a_drain_of_a_link_that_is_held_up_ends(client: Client, driven: Driven) -> None:
    handle = late(driven, client)
    client.read()
    flow = one(client.credit(handle, 10, delivery_count=1, drain=True), Flow)
    assert (flow.link_credit, flow.delivery_count) == (0, 11)


def test_a_link_that_ends_with_deliveries_that_were_taken_back_leaves_them_where_they_are(
    client: Client, driven: Driven
) -> None:
    handle = late(driven, client)
    client.read()
    one(client.say(Detach(handle=UInt(handle), closed=True)), Detach)
    client.receiver("/queues/q", 10, name="other")
    again = one(client.read(), Delivery)
    assert again.body == b"m-0"
    assert of(client.settle(again.delivery_id, Accepted()), Delivery) == []
    assert driven.bodies() == []


def test_what_waits_for_the_window_and_is_taken_back_is_not_told_of_before_it_was_sent(driven: Driven) -> None:
    client = Client(driven)
    client.open(max_frame_size=UInt(512))
    client.begin(incoming_window=UInt(1))
    driven.publish("m" * 2000)
    handle = client.receiver("/queues/q", name="slow", properties={TIMEOUT: UInt(500)})
    client.credit(handle, 10, incoming_window=UInt(1))
    driven.wait(0.6)
    assert of(client.read(), Disposition) == []
    # It is told as soon as it has all of it.
    room = UInt(2048)
    flow = Flow(next_incoming_id=UInt(1), incoming_window=room, next_outgoing_id=UInt(0), outgoing_window=room)
    *transfers, told = client.say(flow)
    assert all(isinstance(each, Delivery) for each in transfers)
    assert isinstance(told, Disposition)
    assert (told.first, bool(told.settled), told.state) == (0, False, Released())


@pytest.mark.parametrize("timeout", [0, -1, True, "500", 2**60])
def test_a_timeout_that_is_none_is_refused(client: Client, timeout: object) -> None:
    source = Source(address="/queues/q")
    attach = Attach(name="wrong", handle=0, role=True, source=source, target=Target(), properties={TIMEOUT: timeout})
    assert condition_of(one(client.say(attach), Detach)) == "amqp:invalid-field"


@pytest.mark.parametrize("failed", [True, False])
@pytest.mark.parametrize("name", [DELAY, DELIVER_AT])
def test_what_is_modified_is_ready_again_when_its_client_says(
    client: Client, driven: Driven, name: Symbol, failed: bool
) -> None:
    driven.publish("m")
    handle = client.receiver("/queues/q", 1)
    first = one(client.read(), Delivery)
    moment = Long(400) if name == DELAY else Timestamp(round(driven.clock.time() * 1000) + 400)
    client.settle(first.delivery_id, Modified(delivery_failed=failed, message_annotations={name: moment}))
    client.credit(handle, 1, delivery_count=1)
    driven.wait(0.3)
    assert of(client.read(), Delivery) == []
    driven.wait(0.2)
    again = one(client.read(), Delivery)
    assert again.body == b"m"
    # It is asked for once, and not noted on the message.
    assert name.encode() not in again.payload


@pytest.mark.parametrize("delay", [Long(-1), True, "400"])
def test_a_delay_that_is_none_ends_the_session(client: Client, driven: Driven, delay: object) -> None:
    driven.publish("m")
    client.receiver("/queues/q", 1)
    first = one(client.read(), Delivery)
    came = client.settle(first.delivery_id, Modified(message_annotations={DELAY: delay}))
    assert condition_of(one(came, End)) == "amqp:invalid-field"


def test_a_single_active_link_that_is_late_hands_over_and_both_are_told(client: Client, driven: Driven) -> None:
    driven.queue("single", x_single_active_consumer=True)
    active = Symbol("rabbitmq:active")

    def heard(came: list[object]) -> list[tuple[object, object]]:
        return [(flow.handle, flow.properties[active]) for flow in of(came, Flow) if flow.properties]

    driven.publish("a", queue="single")
    driven.publish("b", queue="single")
    client.receiver("/queues/single", 1, name="first", properties={TIMEOUT: UInt(500)})
    held = one(client.read(), Delivery)
    client.receiver("/queues/single", 2, name="second", properties={TIMEOUT: UInt(5_000)})
    client.read()
    driven.wait(0.6)
    came = client.read()
    assert [each.body for each in of(came, Delivery)] == [b"a", b"b"]
    assert heard(came) == [(0, False), (1, True)]
    # Once it has settled what was late it stands by, until the other is late.
    assert heard(client.settle(held.delivery_id, Accepted())) == []
    driven.wait(5.1)
    assert heard(client.read()) == [(1, False), (0, True)]
    client.credit(0, 2, delivery_count=1)
    driven.settle()
