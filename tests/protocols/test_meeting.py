"""Clients of AMQP 1.0 and of STOMP on one queue: what one says of a message counts for the other, and is seen by it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from batonmq.fields import FieldValue
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Detach,
    End,
    Error,
    Modified,
    Outcome,
    Rejected,
    Released,
)
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import Symbol, UInt, ULong
from tests.protocols.amqp10 import client as amqp10
from tests.protocols.amqp10.client import Delivery, of, one
from tests.support import stomp
from tests.support.driven import Driven


@pytest.fixture
def driven() -> Driven:
    driven = Driven()
    driven.queue("dead")
    driven.queue("q", x_dead_letter_exchange="", x_dead_letter_routing_key="dead", x_delivery_limit=2)
    return driven


class Amqp:
    """Takes one message of the queue after the other, each over a link of its own."""

    def __init__(self, driven: Driven) -> None:
        self.client = amqp10.Client(driven).start()
        self._count = 0
        self._number = 0

    def take(self, address: str = "/queues/q") -> Delivery:
        self._count += 1
        self.handle = self.client.receiver(address, 1, name=f"link-{self._count}")
        delivery = one(self.client.read(), Delivery)
        self._number = delivery.delivery_id
        return delivery

    def settle(self, outcome: Outcome) -> None:
        self.client.settle(self._number, outcome)
        self.detach()

    def detach(self) -> None:
        self.client.say(Detach(handle=UInt(self.handle), closed=True))


def count_of(delivery: Delivery) -> tuple[int, bool]:
    """Its delivery-count, and whether it is told to be new."""
    header = Sections(delivery.payload).header()
    assert header is not None
    return header.delivery_count or 0, bool(header.first_acquirer)


def annotations_of(delivery: Delivery) -> dict[object, object]:
    return Sections(delivery.payload).message_annotations()


def dead(driven: Driven) -> Mapping[str, FieldValue]:
    """The headers of the one dead letter."""
    queued = driven.operations.find_queue("dead").get()
    assert queued is not None
    return queued.message.properties.headers or {}


def test_each_counts_what_the_other_gave_back(driven: Driven) -> None:
    driven.publish("m")
    amqp = Amqp(driven)
    assert count_of(amqp.take()) == (0, True)
    amqp.settle(Released())
    for _ in range(3):
        assert count_of(amqp.take()) == (0, False)
        amqp.settle(Released())
    # A connection that is lost counts; a link that its client detaches does not.
    client = stomp.Client(driven, stomp.settings("rabbitmq"))
    client.connect()
    (message,) = client.subscribe("/queue/q", ack="client-individual", prefetch_count="1")
    assert message["redelivered"] == "true"
    client.lose()
    delivery = amqp.take()
    assert count_of(delivery) == (1, False)
    amqp.settle(Modified())
    assert count_of(amqp.take()) == (1, False)
    amqp.detach()
    for count in (1, 2):
        assert count_of(amqp.take()) == (count, False)
        amqp.settle(Modified(delivery_failed=True))
    driven.settle()
    headers = dead(driven)
    assert headers["x-last-death-reason"] == "delivery_limit"
    assert driven.operations.find_queue("q").counts().given_up == 1


def test_a_rejection_tells_both_why(driven: Driven) -> None:
    for _ in range(2):
        driven.publish("m")
    amqp = Amqp(driven)
    for _ in range(2):
        amqp.take()
        amqp.settle(Rejected(error=Error(condition=Symbol("app:no-customer"), description="no such customer")))
    annotations = annotations_of(amqp.take("/queues/dead"))
    assert (annotations["x-reject-reason"], annotations["x-reject-condition"]) == (
        "no such customer",
        "app:no-customer",
    )
    assert annotations["x-last-death-reason"] == "rejected"
    amqp.settle(Accepted())
    client = stomp.Client(driven)
    client.connect()
    (message,) = client.subscribe("/queue/dead")
    assert (message["x-reject-reason"], message["x-reject-condition"]) == ("no such customer", "app:no-customer")


def test_what_a_consumer_notes_is_seen_by_both(driven: Driven) -> None:
    driven.publish("m")
    amqp = Amqp(driven)
    amqp.take()
    amqp.settle(Modified(message_annotations={Symbol("x-opt-tried-by"): "one", Symbol("x-opt-times"): ULong(1)}))
    delivery = amqp.take()
    assert count_of(delivery) == (0, False)
    annotations = annotations_of(delivery)
    assert (annotations["x-opt-tried-by"], annotations["x-opt-times"]) == ("one", 1)
    amqp.settle(Modified(message_annotations={Symbol("x-opt-tried-by"): "other"}))
    client = stomp.Client(driven)
    client.connect()
    (message,) = client.subscribe("/queue/q", ack="client")
    assert (message["x-opt-tried-by"], message["x-opt-times"]) == ("other", "1")


def test_what_came_over_amqp_10_and_is_modified_keeps_the_rest_as_it_was(driven: Driven) -> None:
    amqp = Amqp(driven)
    sender = amqp.client.sender("/queues/q")
    bare = b"\x00\x53\x74\xc1\x07\x02\xa1\x01k\xa1\x01v" + b"\x00\x53\x77\xa1\x04text"
    annotations = b"\x00\x53\x72\xc1\x0c\x02\xa3\x06x-mine\xa1\x01a"
    amqp.client.transfer(sender, annotations + bare)
    amqp.take()
    amqp.settle(Modified(delivery_failed=True, message_annotations={Symbol("x-opt-a"): "b", Symbol("x-mine"): "c"}))
    delivery = amqp.take()
    found = annotations_of(delivery)
    assert (found["x-opt-a"], found["x-mine"]) == ("b", "c")
    assert delivery.payload.endswith(bare)
    assert count_of(delivery) == (1, False)


def test_undeliverable_here_is_a_dead_letter(driven: Driven) -> None:
    driven.publish("m")
    amqp = Amqp(driven)
    amqp.take()
    amqp.settle(Modified(undeliverable_here=True))
    driven.settle()
    assert dead(driven)["x-reject-reason"] == "undeliverable here"


def test_without_dead_letters_it_goes_to_somebody_else() -> None:
    driven = Driven()
    driven.queue("q")
    driven.publish("m")
    client = amqp10.Client(driven).start()
    handle = client.receiver("/queues/q", 5)
    delivery = one(client.read(), Delivery)
    came = client.settle(delivery.delivery_id, Modified(undeliverable_here=True))
    assert not of(came, Delivery)
    assert not of(client.credit(handle, 5, delivery_count=1), Delivery)
    other = stomp.Client(driven)
    other.connect()
    (message,) = other.subscribe("/queue/q")
    assert message.text == "m"


def test_annotations_whose_names_are_reserved_are_refused_and_the_message_stays(driven: Driven) -> None:
    driven.publish("m")
    amqp = Amqp(driven)
    delivery = amqp.take()
    came = amqp.client.settle(delivery.delivery_id, Modified(message_annotations={Symbol("reserved"): "a"}))
    assert amqp10.condition_of(one(came, End)) == "amqp:invalid-field"
    assert driven.operations.find_queue("q").ready_count == 1


def test_notes_that_are_too_long_are_refused_and_the_message_stays(driven: Driven) -> None:
    driven.publish("m")
    amqp = Amqp(driven)
    delivery = amqp.take()
    came = amqp.client.settle(delivery.delivery_id, Modified(message_annotations={Symbol("x-opt-a"): "a" * 70_000}))
    assert amqp10.condition_of(one(came, End)) == "amqp:precondition-failed"
    assert driven.operations.find_queue("q").ready_count == 1
