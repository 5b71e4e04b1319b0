"""Subscriptions to topics and exchanges: their queues, durable and shared ones, and how they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from batonmq.errors import AccessRefused, NotFound, PreconditionFailed, ResourceLocked
from batonmq.protocols.amqp10.codec.values import Described, Symbol, UInt
from batonmq.protocols.amqp10.dialects import ARTEMIS
from batonmq.protocols.amqp10.nodes.opened import OpenedSource
from tests.protocols.amqp10.linked import Idle, Linked, limited
from tests.support.driven import Driven

SELECTOR = Symbol("jms-selector")


def consume(linked: Linked, opened: OpenedSource) -> Idle:
    consumer = Idle(opened.queue, "tag", exclusive=opened.exclusive)
    linked.operations.subscribe(opened.queue, consumer)
    return consumer


def selector(text: str) -> dict[Symbol, object]:
    return {SELECTOR: Described(Symbol("apache.org:selector-filter:string"), text)}


@pytest.fixture
def linked(driven: Driven) -> Linked:
    return Linked(driven)


def test_the_queue_of_a_subscription_goes_with_its_link(linked: Linked) -> None:
    opened = linked.source("topic://a.*")
    queue = opened.queue
    assert (queue.durable, queue.exclusive, queue.auto_delete) == (False, True, True)
    assert linked.publish("m", "amq.topic", "a.b") == 1
    linked.close(opened, closed=False)
    assert linked.queues == {}
    assert linked.operations.owned == {}
    assert linked.publish("m", "amq.topic", "a.b") == 0


def test_two_subscriptions_get_a_copy_each(linked: Linked) -> None:
    first, second = linked.source("t", "topic"), linked.source("topic://t")
    assert first.queue is not second.queue
    assert linked.publish("m", "amq.topic", "t") == 2
    linked.lose()
    assert linked.queues == {}


def test_nothing_piles_up_that_a_selector_leaves(linked: Linked) -> None:
    volatile = linked.source("topic://t", filter=selector("a = '1'"))
    durable = linked.subscription("t", filter=selector("a = '2'"))
    assert volatile.source.filter == selector("a = '1'")
    # The queue does it.
    assert volatile.selector is None
    for value in "123":
        linked.publish("m", "amq.topic", "t", a=value)
    assert volatile.queue.ready_count == durable.queue.ready_count == 1


# ------------------------------------------------------------------ durable ones


def test_a_durable_subscription_outlives_link_and_connection(driven: Driven, linked: Linked) -> None:
    opened = linked.subscription("t")
    assert opened.queue.name == "me.sub"
    assert opened.queue.durable
    assert not opened.queue.exclusive
    linked.close(opened, closed=False)
    again = linked.subscription("t")
    assert again.queue is opened.queue
    linked.lose()
    assert linked.publish("m", "amq.topic", "t") == 1
    assert Linked(driven).subscription("t").queue is opened.queue
    # Another container has another, and another link of the same.
    assert Linked(driven, container_id="other").subscription("t").queue is not opened.queue
    assert Linked(driven).subscription("t", link="second").queue.name == "me.second"


def test_closing_the_link_ends_it(linked: Linked) -> None:
    linked.close(linked.subscription("t"), closed=True)
    assert linked.queues == {}


@pytest.mark.parametrize(
    ("durable", "policy", "stays"),
    [
        (2, None, True),
        (1, None, True),
        (0, "never", True),
        (None, "never", True),
        (None, None, False),
        (0, "link-detach", False),
        (2, "session-end", False),
    ],
)
def test_which_termini_are_durable(linked: Linked, durable: int | None, policy: str | None, *, stays: bool) -> None:
    linked.close(linked.source("t", "topic", durable=durable, expiry_policy=policy), closed=False)
    assert bool(linked.queues) == stays


def test_a_terminus_with_a_timeout_stays_for_that_time(driven: Driven, linked: Linked) -> None:
    opened = linked.source("t", "topic", expiry_policy="link-detach", timeout=UInt(60))
    linked.close(opened, closed=False)
    driven.wait(50)
    assert linked.source("t", "topic", expiry_policy="link-detach", timeout=UInt(60)).queue is opened.queue
    linked.lose()
    driven.wait(50)
    assert set(linked.queues) == {"me.link"}
    driven.wait(20)
    assert linked.queues == {}


def test_another_topic_or_selector_begins_it_anew(linked: Linked) -> None:
    first = linked.subscription("t", filter=selector("a = 1"))
    same = linked.subscription("t", filter=selector("a = 1"))
    assert same.queue is first.queue
    other = linked.subscription("u", filter=selector("a = 1"))
    assert other.queue is not first.queue
    assert linked.publish("m", "amq.topic", "t") == 0
    assert linked.publish("m", "amq.topic", "u") == 1
    assert linked.subscription("u", filter=selector("a = 2")).queue.ready_count == 0
    assert linked.publish("m", "amq.topic", "u") == 1
    assert linked.subscription("u").queue.ready_count == 0


@pytest.mark.parametrize(
    "rights",
    [
        {"configure": ".*", "write": ".*", "read": "me.sub"},
        {"configure": ".*", "write": "other", "read": ".*"},
        {"configure": "other", "write": ".*", "read": ".*"},
    ],
    ids=["read", "write", "configure"],
)
def test_an_earlier_one_stays_if_the_new_one_is_refused(driven: Driven, linked: Linked, rights: dict[str, str]) -> None:
    linked.close(linked.subscription("t"), closed=False)
    linked.publish("m", "amq.topic", "t")
    reader = Linked(driven, user=limited(**rights))
    with pytest.raises(AccessRefused):
        reader.subscription("u")
    assert linked.subscription("t").queue.ready_count == 1


def test_an_earlier_one_stays_if_the_new_one_cannot_be_made(driven: Driven, linked: Linked) -> None:
    linked.close(linked.subscription("t"), closed=False)
    linked.publish("m", "amq.topic", "t")
    with pytest.raises(PreconditionFailed):
        linked.subscription("u", link_properties={Symbol("x-max-priority"): -1})
    assert linked.subscription("t").queue.ready_count == 1


def test_not_while_it_is_in_use(linked: Linked) -> None:
    consume(linked, linked.subscription("t"))
    with pytest.raises(ResourceLocked):
        linked.subscription("u")
    with pytest.raises(ResourceLocked):
        linked.subscription("t", filter=selector("a = 1"))


def test_a_queue_that_is_no_subscription_is_left_alone(linked: Linked) -> None:
    linked.operations.declare_queue("me.sub", durable=True)
    with pytest.raises(PreconditionFailed):
        linked.subscription("t")
    assert set(linked.queues) == {"me.sub"}


def test_a_subscription_survives_a_crash(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store.db")
    Linked(driven).subscription("t", filter=selector("a = 1"))
    driven.settle()
    driven.crash()
    linked = Linked(driven)
    queue = linked.queues["me.sub"]
    assert linked.subscription("t", filter=selector("a = 1")).queue is queue
    driven.broker.close()


# ------------------------------------------------------------------ looked up, to be ended


def test_a_link_without_a_source_finds_a_subscription(linked: Linked) -> None:
    linked.close(linked.subscription("t", filter=selector("a = 1")), closed=False)
    found = linked.look_up("sub")
    assert found.queue.name == "me.sub"
    assert found.source.address == "t"
    assert (found.source.durable, found.source.expiry_policy) == (2, "never")
    assert found.source.filter == selector("a = 1")
    linked.close(found)
    assert linked.queues == {}
    with pytest.raises(NotFound):
        linked.look_up("sub")


def test_a_subscription_in_use_is_not_ended(linked: Linked) -> None:
    consumer = consume(linked, linked.subscription("t"))
    linked.close(linked.look_up("sub"))
    assert set(linked.queues) == {"me.sub"}
    consumer.queue.unsubscribe(consumer)
    linked.close(linked.look_up("sub"))
    assert linked.queues == {}


def test_a_subscription_of_another_container_is_not_found(driven: Driven, linked: Linked) -> None:
    linked.subscription("t")
    with pytest.raises(NotFound):
        Linked(driven, container_id="other").look_up("sub")


def test_who_may_not_delete_it_leaves_it(driven: Driven, linked: Linked) -> None:
    linked.close(linked.subscription("t"), closed=False)
    reader = Linked(driven, user=limited(read=".*"))
    reader.close(reader.subscription("t"))
    assert set(linked.queues) == {"me.sub"}


# ------------------------------------------------------------------ shared ones


def test_links_share_a_durable_subscription(driven: Driven, linked: Linked) -> None:
    first = linked.subscription("t", "shared", link="sub")
    second = linked.subscription("t", "shared", link="sub|2")
    assert first.queue is second.queue
    assert first.queue.name == "me.sub"
    assert first.source.capabilities == ["topic", "shared"]
    assert linked.publish("m", "amq.topic", "t") == 1
    consume(linked, second)
    linked.close(first)
    assert set(linked.queues) == {"me.sub"}
    assert Linked(driven).look_up("sub").queue is first.queue


def test_a_global_one_is_of_all_containers(driven: Driven, linked: Linked) -> None:
    other = Linked(driven, container_id="other")
    first = linked.subscription("t", "shared", "global", link="sub|global")
    second = other.subscription("t", "shared", "global", link="sub|global")
    assert first.queue is second.queue
    assert first.queue.name == "sub:global"
    linked.lose()
    other.close(other.look_up("sub|global", "shared", "global"))
    assert linked.queues == {}


@pytest.mark.parametrize("policy", [None, "link-detach"])
def test_a_volatile_one_goes_with_the_last_link(driven: Driven, policy: str | None) -> None:
    linked, other = Linked(driven), Linked(driven)
    first = linked.source("t", "topic", "shared", link="sub|volatile1", expiry_policy=policy)
    second = other.source("t", "topic", "shared", link="sub|volatile2", expiry_policy=policy)
    assert first.queue is second.queue
    assert first.queue.name == "me.sub:shared-volatile"
    assert not first.queue.durable
    linked.close(first)
    assert linked.publish("m", "amq.topic", "t") == 1
    third = linked.source("t", "topic", "shared", link="sub|volatile3", expiry_policy=policy)
    assert third.queue is second.queue
    linked.lose()
    other.lose()
    assert linked.queues == {}


def test_a_durable_and_a_volatile_one_of_one_name_are_two(linked: Linked) -> None:
    durable = linked.subscription("t", "shared", link="sub")
    volatile = linked.source("t", "topic", "shared", link="sub")
    assert durable.queue is not volatile.queue
    assert linked.publish("m", "amq.topic", "t") == 2


def test_a_shared_one_to_another_topic_is_refused_while_it_is_in_use(linked: Linked) -> None:
    consume(linked, linked.source("t", "topic", "shared", link="sub"))
    with pytest.raises(ResourceLocked):
        linked.source("u", "topic", "shared", link="sub|2")


def test_dead_letters_of_the_dialect(driven: Driven) -> None:
    linked = Linked(driven, ARTEMIS)
    queue = linked.subscription("t").queue
    assert queue.arguments["x-dead-letter-exchange"] == "stomp.dead-letters"
    assert "DLQ" in linked.queues
