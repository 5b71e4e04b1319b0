"""How long a client may hold a delivery, and when what it gives back is ready again."""

from __future__ import annotations

import pytest

from batonmq.protocols.amqp10.codec.performatives import Attach, Detach, End, Modified, Source, Target
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
