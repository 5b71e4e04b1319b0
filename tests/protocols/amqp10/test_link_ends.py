"""What the end of a link leaves of what it stands for: over a session, frame by frame."""

from __future__ import annotations

import pytest

from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Close,
    Detach,
    End,
    Modified,
    Open,
    Rejected,
    Source,
    Target,
)
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import Symbol
from batonmq.protocols.amqp10.containers import Containers
from tests.protocols.amqp10.client import Client, Delivery, condition_of, message, of, one
from tests.support.driven import Driven

DURABLE = Source(address="topic://t", durable=2, expiry_policy=Symbol("never"))
SUBSCRIPTION = "test.sub"


def test_only_the_client_ends_a_durable_subscription(driven: Driven) -> None:
    queues = driven.operations.vhost.queues
    client = Client(driven).start()
    handle = client.receiver("", source=DURABLE, name="sub")
    assert SUBSCRIPTION in queues
    # Our end of the link: the client takes no message of this size.
    client.say(Detach(handle=handle))
    small = client.receiver("", source=DURABLE, name="sub", credit=1, max_message_size=10)
    driven.operations.bind_queue(SUBSCRIPTION, "amq.direct", "k", {})
    came = client.transfer(client.sender("topic://t"), message(b"x" * 100))
    assert condition_of(one(came, Detach)) == "amqp:link:message-size-exceeded"
    assert SUBSCRIPTION in queues
    client.say(Detach(handle=small, closed=True))
    client.say(Detach(handle=client.receiver("", source=DURABLE, name="sub"), closed=True))
    assert SUBSCRIPTION not in queues


def test_a_subscription_that_is_taken_over_stays(driven: Driven) -> None:
    containers = Containers()
    first, second = Client(driven, containers=containers).start(), Client(driven, containers=containers).start()
    first.receiver("", source=DURABLE, name="sub")
    handle = second.receiver("", source=DURABLE, name="sub", credit=5)
    assert condition_of(one(first.read(), Detach)) == "amqp:link:stolen"
    assert SUBSCRIPTION in driven.operations.vhost.queues
    first.transfer(first.sender("topic://t"), message(b"still here"))
    assert len(second.read()) == 1
    second.lose()
    first.lose()
    assert SUBSCRIPTION in driven.operations.vhost.queues
    assert handle == 0


def test_a_shared_subscription_that_is_taken_over_stays(driven: Driven) -> None:
    containers = Containers()
    source = Source(address="topic://t", capabilities=["shared"])
    first, second = Client(driven, containers=containers).start(), Client(driven, containers=containers).start()
    first.receiver("", source=source, name="sub|volatile1")
    second.receiver("", source=source, name="sub|volatile1", credit=5)
    first.read()
    first.transfer(first.sender("topic://t"), message(b"still here"))
    assert len(second.read()) == 1
    second.lose()
    first.lose()
    assert driven.operations.vhost.queues == {}


def test_qpid_jms_unsubscribes_by_a_link_without_a_source(driven: Driven) -> None:
    client = Client(driven).start()
    client.say(Detach(handle=client.receiver("", source=DURABLE, name="sub"), closed=False))
    came = client.say(Attach(name="sub", handle=7, role=True, target=Target()))
    found = one(came, Attach)
    assert found.source is not None
    assert found.source.address == "topic://t"
    client.say(Detach(handle=7, closed=True))
    assert SUBSCRIPTION not in driven.operations.vhost.queues
    came = client.say(Attach(name="sub", handle=7, role=True, target=Target()))
    assert one(came, Attach).source is None
    assert condition_of(one(came, Detach)) == "amqp:not-found"


def test_what_is_sent_to_a_topic_without_subscribers_is_accepted(driven: Driven) -> None:
    client = Client(driven).start()
    for address in ("topic://t", None):
        handle = client.sender(address, name=f"to {address}")
        sections = () if address else (b"\x00\x53\x73\xc0\x0e\x03\x40\x40\xa1\x09topic://t",)
        (came,) = client.transfer(handle, message(b"m", *sections))
        assert "Accepted" in repr(came)


def test_a_link_to_a_deleted_queue_ends_with_its_next_message(driven: Driven) -> None:
    client = Client(driven).start()
    driven.operations.declare_queue("mine", durable=True)
    handle = client.sender("/queues/mine")
    client.transfer(handle, message(b"m"))
    driven.operations.delete_queue("mine")
    assert condition_of(one(client.transfer(handle, message(b"m")), Detach)) == "amqp:resource-deleted"
    assert "mine" not in driven.operations.vhost.queues


def test_a_name_declares_its_queue_again_for_the_next_message(driven: Driven) -> None:
    client = Client(driven).start()
    handle = client.sender("mine", properties={Symbol("x-max-length"): 5})
    driven.operations.delete_queue("mine")
    for settled in (False, True):
        came = client.transfer(handle, message(b"m"), settled=settled)
        assert not of(came, Detach)
    assert len(driven.bodies("mine")) == 2
    assert driven.operations.vhost.queues["mine"].arguments == {"x-max-length": 5}


def test_an_error_names_the_field_by_a_symbol(driven: Driven) -> None:
    client = Client(driven).start()
    came = client.say(Attach(name="x", handle=0, role=True, source=Source(address="/queues/"), target=Target()))
    error = one(came, Detach).error
    assert error is not None
    assert error.info is not None
    ((name, value),) = error.info.items()
    assert (name, value) == ("invalid-field", "address")
    assert isinstance(value, Symbol)


def test_the_virtual_host_is_named_as_in_a_url(driven: Driven) -> None:
    driven.broker.add_vhost("a/b")
    client = Client(driven)
    client.log_in()
    closed = of(client.say(Open(container_id="me", hostname="vhost:a%2Fb")), Close)
    # The user has no rights there, which tells that it is known.
    assert [condition_of(each) for each in closed] == ["amqp:unauthorized-access"]


def test_an_open_tells_whose_ways_these_are(driven: Driven) -> None:
    opened = Client(driven).open()
    properties = {str(name): value for name, value in (opened.properties or {}).items()}
    assert properties["product"] == "RabbitMQ"
    assert str(properties["information"]).startswith("BatonMQ ")
    assert properties["topic-prefix"] == "topic://"
    assert "queue-prefix" not in properties


def _count_after(driven: Driven, leave: Detach | End | Close | None, default: Modified | None) -> int:
    """The delivery-count that a message has for the next client, after one that held it has left."""
    driven.queue("q")
    driven.publish("m")
    first = Client(driven).start()
    handle = first.receiver("/queues/q", 10, source=Source(address="/queues/q", default_outcome=default))
    assert handle == 0
    assert one(first.read(), Delivery).body == b"m"
    if leave is None:
        first.lose()
    else:
        first.say(leave)
    second = Client(driven).start()
    second.receiver("/queues/q", 10)
    header = Sections(one(second.read(), Delivery).payload).header()
    assert header is not None
    return header.delivery_count or 0


# Qpid JMS names the second for each of its links.
@pytest.mark.parametrize("default", [None, Modified(delivery_failed=True)])
@pytest.mark.parametrize(
    ("leave", "count"), [(Detach(handle=0, closed=True), 0), (Detach(handle=0), 0), (End(), 1), (Close(), 1), (None, 1)]
)
def test_what_a_client_held_is_not_counted_if_it_detached(
    driven: Driven, leave: Detach | End | Close | None, default: Modified | None, count: int
) -> None:
    assert _count_after(driven, leave, default) == count


def test_links_that_take_one_message_each_do_not_use_up_the_limit_of_those_behind(driven: Driven) -> None:
    driven.queue("work", x_delivery_limit=2)
    for number in range(6):
        driven.publish(f"m{number}", queue="work")
    client = Client(driven).start()
    source = Source(address="/queues/work", default_outcome=Modified(delivery_failed=True))
    for number in range(6):
        handle = client.receiver("/queues/work", 10, source=source, name=f"link {number}")
        first = of(client.read(), Delivery)[0]
        assert first.body == f"m{number}".encode()
        client.settle(first.delivery_id, Accepted())
        client.say(Detach(handle=handle, closed=True))


def test_a_default_outcome_also_holds_for_a_link_that_the_client_detached(driven: Driven) -> None:
    driven.queue("dead")
    driven.queue("work", x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.publish("m", queue="work")
    client = Client(driven).start()
    source = Source(address="/queues/work", default_outcome=Rejected())
    handle = client.receiver("/queues/work", 10, source=source)
    assert of(client.read(), Delivery)
    client.say(Detach(handle=handle, closed=True))
    assert driven.bodies("dead") == ["m"]
