"""Dynamic nodes: temporary queues and topics, and when they go (part 3 §3.5.10 to §3.5.13)."""

from __future__ import annotations

import pytest

from batonmq.errors import NotFound, ResourceLocked
from batonmq.fields import LongLong
from batonmq.protocols.amqp10.codec.performatives import (
    DeleteOnClose,
    DeleteOnNoLinks,
    DeleteOnNoLinksOrMessages,
    DeleteOnNoMessages,
)
from batonmq.protocols.amqp10.codec.values import Described, Symbol, ULong
from batonmq.protocols.amqp10.dialects import ACTIVEMQ, ARTEMIS, RABBITMQ, SPEC, Dialect
from tests.protocols.amqp10.linked import Linked, refused
from tests.support.driven import Driven

POLICY = Symbol("lifetime-policy")


def emptied(driven: Driven, queue: str) -> list[str]:
    """What was in a queue and is not any more."""
    taker = driven.consume(queue, no_ack=True)
    driven.settle()
    taker.leave()
    return taker.seen


@pytest.fixture
def linked(driven: Driven) -> Linked:
    return Linked(driven)


@pytest.mark.parametrize(
    ("dialect", "prefix"), [(SPEC, "/queues/"), (RABBITMQ, "/queues/"), (ACTIVEMQ, "temp-queue://"), (ARTEMIS, "")]
)
def test_a_temporary_queue_has_an_address_of_ours(driven: Driven, dialect: Dialect, prefix: str) -> None:
    linked = Linked(driven, dialect)
    for opened in (
        linked.target(None, "temporary-queue", dynamic=True),
        linked.source(None, "temporary-queue", dynamic=True),
    ):
        answer = opened.target if hasattr(opened, "target") else opened.source
        assert answer.dynamic
        assert answer.capabilities == ["temporary-queue"]
        assert answer.address == prefix + opened.node
        assert linked.queues[opened.node].exclusive
        # It can be sent to from anywhere, and received from here.
        assert Linked(driven, dialect).target(answer.address, "temporary-queue").routing_key == opened.node
        assert linked.source(answer.address, "temporary-queue").queue.name == opened.node
        with pytest.raises(ResourceLocked):
            Linked(driven, dialect).source(answer.address, "temporary-queue")
    linked.lose()
    assert driven.operations.vhost.queues == {}


@pytest.mark.parametrize(
    "policy",
    [None, DeleteOnClose(), Described(ULong(0x2B), []), Described(Symbol("amqp:delete-on-close:list"), [])],
)
def test_it_goes_when_its_link_is_closed(linked: Linked, policy: object) -> None:
    properties = {POLICY: policy} if policy is not None else None
    opened = linked.target(None, dynamic=True, dynamic_node_properties=properties)
    assert opened.target.dynamic_node_properties == properties
    used = linked.source(opened.target.address)
    linked.publish("m", "", opened.node)
    linked.close(opened)
    assert linked.queues == {}
    assert linked.operations.owned == {}
    with pytest.raises(NotFound):
        linked.target(opened.target.address)
    # Those that had it as well end later.
    linked.close(used)


@pytest.mark.parametrize("policy", [DeleteOnClose(), DeleteOnNoLinks(), DeleteOnNoMessages()])
def test_a_link_that_is_refused_for_its_filter_leaves_none(linked: Linked, policy: object) -> None:
    wanted = {"dynamic": True, "dynamic_node_properties": {POLICY: policy}, "filter": {Symbol("selector"): False}}
    refused("amqp:invalid-field", linked.source, None, **wanted)
    assert linked.queues == {}


def test_it_goes_with_the_last_link_of_any_connection(driven: Driven, linked: Linked) -> None:
    other = Linked(driven)
    opened = linked.source(None, dynamic=True, dynamic_node_properties={POLICY: DeleteOnNoLinks()})
    address = opened.source.address
    sender = other.target(address)
    receiver = other.source(address)
    linked.publish("m", "", opened.node)
    linked.close(opened)
    other.close(sender)
    assert set(linked.queues) == {opened.node}
    other.close(receiver)
    assert linked.queues == {}


def test_it_goes_when_its_link_is_gone_and_it_is_empty(driven: Driven, linked: Linked) -> None:
    opened = linked.target(None, dynamic=True, dynamic_node_properties={POLICY: DeleteOnNoMessages()})
    receiver = Linked(driven).source(opened.target.address)
    linked.publish("m", "", opened.node)
    linked.lose()
    driven.wait(5)
    assert set(linked.queues) == {opened.node}
    assert emptied(driven, opened.node) == ["m"]
    driven.wait(5)
    assert linked.queues == {}
    assert receiver.queue.deleted


def test_an_empty_one_goes_with_its_link(linked: Linked) -> None:
    linked.close(linked.target(None, dynamic=True, dynamic_node_properties={POLICY: DeleteOnNoMessages()}))
    assert linked.queues == {}


def test_it_goes_when_it_has_neither_links_nor_messages(driven: Driven, linked: Linked) -> None:
    properties = {POLICY: DeleteOnNoLinksOrMessages()}
    opened = linked.target(None, dynamic=True, dynamic_node_properties=properties)
    other = Linked(driven)
    receiver = other.source(opened.target.address)
    linked.publish("m", "", opened.node)
    linked.lose()
    assert emptied(driven, opened.node) == ["m"]
    driven.wait(5)
    assert set(linked.queues) == {opened.node}
    linked.publish("n", "", opened.node)
    other.close(receiver)
    driven.wait(5)
    assert emptied(driven, opened.node) == ["n"]
    driven.wait(5)
    assert linked.queues == {}
    assert driven.operations.vhost.scheduler.timetable.next_due() is None


def test_an_unknown_policy_is_refused(linked: Linked) -> None:
    for policy in (Described(ULong(0x2F), []), "delete-on-close", 5):
        properties = {POLICY: policy}
        refused("amqp:invalid-field", linked.target, None, dynamic=True, dynamic_node_properties=properties)
    assert linked.queues == {}


def test_arguments_of_a_queue_in_the_properties_of_the_node(linked: Linked) -> None:
    properties = {Symbol("x-max-length"): ULong(3), Symbol("supported-dist-modes"): Symbol("move")}
    opened = linked.source(None, dynamic=True, dynamic_node_properties=properties, link_properties={"priority": 3})
    assert opened.queue.arguments == {"x-max-length": LongLong(3)}
    assert opened.priority == 3


@pytest.mark.parametrize("dialect", [SPEC, ACTIVEMQ, ARTEMIS], ids=lambda each: each.name)
def test_a_temporary_topic(driven: Driven, dialect: Dialect) -> None:
    linked, other = Linked(driven, dialect), Linked(driven, dialect)
    opened = linked.target(None, "temporary-topic", dynamic=True)
    address = opened.target.address
    assert opened.accepts_unroutable
    subscriber = linked.source(address, "temporary-topic")
    sender = other.target(address, "temporary-topic")
    assert (sender.exchange, sender.routing_key) == (opened.exchange, opened.routing_key)
    assert linked.publish("m", sender.exchange, sender.routing_key or "") == 1
    assert subscriber.queue.ready_count == 1
    made = other.source(None, "temporary-topic", dynamic=True)
    assert made.source.address not in (None, address)
    assert other.target(made.source.address, "temporary-topic").accepts_unroutable


def test_rabbitmq_has_no_temporary_topics(driven: Driven) -> None:
    refused("amqp:not-implemented", Linked(driven, RABBITMQ).target, None, "temporary-topic", dynamic=True)
