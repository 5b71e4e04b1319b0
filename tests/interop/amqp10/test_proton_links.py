"""python-qpid-proton: links to nodes of every kind, and what the broker refuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.amqp10.peer import Peer
from tests.interop.amqp10.proton_client import Capability, Client, Delivery, Message, bodies, proton, reactor, utils
from tests.support.broker import PASSWORD


@pytest.fixture
def client(peer: Peer) -> Iterator[Client]:
    with Client(peer) as client:
        yield client


@pytest.fixture
def other(peer: Peer) -> Iterator[Client]:
    with Client(peer) as client:
        yield client


# ---------------------------------------------------------------------- addresses


def test_a_sender_without_an_address_sends_where_each_message_says(client: Client, node: str) -> None:
    sender = client.sender(None)
    sender.send(Message(body="x", address=node))
    assert client.left(node) == ["x"]


@pytest.mark.only("batonmq", "rabbitmq")
def test_a_message_to_nowhere_is_refused_and_the_sender_lives(client: Client, name: str, node: str) -> None:
    sender = client.sender(None)
    with pytest.raises(utils.SendException) as refused:
        sender.send(Message(body="x", address=f"/queues/{name}-none"))
    assert refused.value.state in (Delivery.REJECTED, Delivery.RELEASED)
    sender.send(Message(body="x", address=node))
    assert client.left(node) == ["x"]


@pytest.mark.only("batonmq", "rabbitmq")
def test_an_exchange_says_that_nothing_is_bound_to_it(client: Client, name: str) -> None:
    sender = client.sender(f"/exchanges/amq.topic/{name}")
    with pytest.raises(utils.SendException) as refused:
        sender.send(Message(body="lost"))
    assert refused.value.state == Delivery.RELEASED


@pytest.mark.only("batonmq")
def test_both_addresses_of_a_queue_are_one_queue(client: Client, queue: str) -> None:
    client.send(queue, "bare")
    client.send(f"/queues/{queue}", "longer")
    assert client.left(f"/queues/{queue}") == ["bare", "longer"]


@pytest.mark.only("batonmq", "artemis")
def test_a_dynamic_queue_is_asked_and_answers(client: Client, other: Client, node: str) -> None:
    server = other.receiver(node)
    asking = utils.SyncRequestResponse(client.wire, node)
    # The request waits for its answer, so it goes by hand first.
    request = Message(body="question", reply_to=asking.reply_to, correlation_id="c")
    client.sender(node).send(request)
    arrived = server.receive()
    server.accept()
    other.sender(arrived.reply_to).send(Message(body=f"re: {arrived.body}", correlation_id=arrived.correlation_id))
    client.until(lambda: asking.response is not None, "the answer")
    assert (asking.response.body, asking.response.correlation_id) == ("re: question", "c")


@pytest.mark.only("batonmq")
def test_a_dynamic_queue_goes_with_its_connection(peer: Peer, client: Client) -> None:
    with Client(peer) as brief:
        receiver = brief.receiver(None, dynamic=True)
        address = receiver.link.remote_source.address
        assert address
        client.sender(address).send(Message(body="x"))
        assert receiver.receive().body == "x"
        receiver.accept()
    with pytest.raises(utils.SendException):
        client.sender(None).send(Message(body="late", address=address))


# ---------------------------------------------------------------------- filters, browsing


@pytest.mark.only("batonmq", "artemis")
def test_a_selector_takes_what_it_names_and_leaves_the_rest(client: Client, node: str) -> None:
    sender = client.sender(node)
    for number in range(6):
        sender.send(Message(body=number, properties={"colour": "red" if number % 2 else "blue", "number": number}))
    receiver = client.receiver(node, credit=0, options=reactor.Selector("colour = 'red' AND number > 1"))
    assert bodies(client.drained(receiver)) == [3, 5]
    receiver.accept()
    receiver.accept()
    receiver.close()
    assert client.left(node) == [0, 1, 2, 4]


@pytest.mark.only("batonmq", "artemis")
def test_a_selector_that_makes_no_sense_is_refused(client: Client, node: str) -> None:
    with pytest.raises(utils.LinkDetached) as refused:
        client.receiver(node, options=reactor.Selector("colour = = 'red'"))
    assert refused.value.condition == "amqp:invalid-field"


@pytest.mark.only("batonmq", "artemis")
def test_a_browser_sees_all_and_takes_nothing(client: Client, node: str) -> None:
    client.send(node, *range(5))
    for _ in range(2):
        browser = client.receiver(node, credit=0, options=reactor.Copy())
        assert bodies(client.drained(browser)) == list(range(5))
        browser.close()
    assert client.left(node) == list(range(5))


@pytest.mark.only("batonmq", "artemis")
def test_a_browser_sees_what_its_selector_names(client: Client, node: str) -> None:
    sender = client.sender(node)
    for number in range(4):
        sender.send(Message(body=number, properties={"number": number}))
    browser = client.receiver(node, credit=0, options=[reactor.Copy(), reactor.Selector("number >= 2")])
    assert bodies(client.drained(browser)) == [2, 3]


# ---------------------------------------------------------------------- several receivers


def test_receivers_share_a_queue(client: Client, other: Client, node: str) -> None:
    first = client.receiver(node, credit=5)
    second = other.receiver(node, credit=5)
    client.send(node, *range(10))
    client.until(lambda: len(first.fetcher.incoming) == 5)
    other.until(lambda: len(second.fetcher.incoming) == 5)
    assert {*bodies(m for m, _ in first.fetcher.incoming), *bodies(m for m, _ in second.fetcher.incoming)} == {
        *range(10)
    }


def test_what_a_closed_receiver_held_goes_to_another(client: Client, other: Client, node: str) -> None:
    client.send(node, *range(3))
    receiver = client.receiver(node, credit=3)
    client.until(lambda: len(receiver.fetcher.incoming) == 3)
    receiver.close()
    assert other.left(node) == [0, 1, 2]


@pytest.mark.only("batonmq")
def test_what_is_undeliverable_here_goes_elsewhere(client: Client, other: Client, node: str) -> None:
    client.send(node, "not mine")
    receiver = client.receiver(node)
    receiver.receive()
    held = receiver.fetcher.unsettled.popleft()
    held.local.undeliverable = True
    held.local.failed = True
    held.update(Delivery.MODIFIED)
    held.settle()
    assert client.drained(receiver, 5) == []
    elsewhere = other.receiver(node)
    message = elsewhere.receive()
    assert (message.body, message.delivery_count) == ("not mine", 1)
    elsewhere.accept()


@pytest.mark.only("batonmq")
def test_annotations_of_a_modified_message_come_with_it(client: Client, node: str) -> None:
    client.sender(node).send(Message(body="x", annotations={"x-opt-first": 1}))
    receiver = client.receiver(node)
    receiver.receive()
    held = receiver.fetcher.unsettled.popleft()
    held.local.annotations = {proton.symbol("x-opt-seen"): "yes"}
    held.update(Delivery.MODIFIED)
    held.settle()
    again = receiver.receive()
    receiver.accept()
    assert again.annotations[proton.symbol("x-opt-seen")] == "yes"
    assert again.annotations[proton.symbol("x-opt-first")] == 1
    assert again.delivery_count == 0


# ---------------------------------------------------------------------- topics


@pytest.mark.only("batonmq", "artemis")
def test_a_durable_subscription_keeps_what_was_sent_in_between(peer: Peer, client: Client, name: str) -> None:
    options = [reactor.DurableSubscription(), Capability("topic")]
    with Client(peer, container=_container(name)) as first:
        first.receiver(name, name=f"{name}-subscription", options=options).link.detach()

    sender = client.sender(name, options=Capability("topic"))
    for number in range(3):
        sender.send(Message(body=number, durable=True))

    with Client(peer, container=_container(name)) as second:
        receiver = second.receiver(name, name=f"{name}-subscription", options=options)
        assert [receiver.receive().body for _ in range(3)] == [0, 1, 2]
        for _ in range(3):
            receiver.accept()
        # Closed, and not only detached: the subscription ends.
        receiver.close()


def _container(ident: str) -> object:
    container = reactor.Container()
    container.container_id = ident
    return container


# ---------------------------------------------------------------------- refusals


def test_a_wrong_password_opens_nothing(peer: Peer) -> None:
    with pytest.raises(proton.ConnectionException, match=r"amqp:unauthorized-access|Authentication failed"):
        Client(peer.as_user(peer.user, "wrong"))


@pytest.mark.only("batonmq", "rabbitmq")
def test_a_queue_that_is_not_there_is_not_found(client: Client, name: str) -> None:
    for make in (client.sender, client.receiver):
        with pytest.raises(utils.LinkDetached) as refused:
            make(f"/queues/{name}")
        assert refused.value.condition == "amqp:not-found"


@pytest.mark.only("batonmq")
@pytest.mark.parametrize("address", ["theirs-orders", "/queues/theirs-orders"])
def test_who_has_no_rights_is_refused_and_stays_connected(peer: Peer, client: Client, address: str) -> None:
    client.sender("theirs-orders")
    with Client(peer.as_user("limited", PASSWORD)) as limited:
        for make in (limited.sender, limited.receiver):
            with pytest.raises(utils.LinkDetached) as refused:
                make(address)
            assert refused.value.condition == "amqp:unauthorized-access"
        client.send("mine-orders", "x")
        assert limited.left("mine-orders") == ["x"]
