"""Azure's pyamqp, the client inside azure-servicebus and azure-eventhub, all Python."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import pytest

from tests.interop.amqp10.peer import WAIT, Peer

REASON = "azure-servicebus is not installed"
pyamqp: Any = pytest.importorskip("azure.servicebus._pyamqp", reason=REASON)
authentication: Any = pytest.importorskip("azure.servicebus._pyamqp.authentication", reason=REASON)
constants: Any = pytest.importorskip("azure.servicebus._pyamqp.constants", reason=REASON)
messages: Any = pytest.importorskip("azure.servicebus._pyamqp.message", reason=REASON)
errors: Any = pytest.importorskip("azure.servicebus._pyamqp.error", reason=REASON)
endpoints: Any = pytest.importorskip("azure.servicebus._pyamqp.endpoints", reason=REASON)

# Objects of the client.
Foreign: TypeAlias = Any


class Clients:
    """Opens senders and receivers, each with a connection of its own, that are closed with the test."""

    def __init__(self, peer: Peer, opened: ExitStack) -> None:
        self.peer = peer
        self.opened = opened

    def options(self, options: dict[str, object]) -> dict[str, object]:
        return {
            "auth": authentication.SASLPlainAuth(self.peer.user, self.peer.password),
            "use_tls": False,
            "socket_timeout": 0.2,
            "retry_policy": errors.RetryPolicy(retry_total=0),
            **options,
        }

    @property
    def host(self) -> str:
        return f"{self.peer.host}:{self.peer.port}"

    def sender(self, node: str, **options: object) -> Foreign:
        return self.opened.enter_context(pyamqp.SendClient(self.host, node, **self.options(options)))

    def receiver(self, node: str, **options: object) -> Foreign:
        wanted = self.options(
            {"link_credit": 100, "receive_settle_mode": constants.ReceiverSettleMode.First, **options}
        )
        return self.opened.enter_context(pyamqp.ReceiveClient(self.host, node, **wanted))


pytestmark = pytest.mark.only("batonmq", "artemis")


@pytest.fixture
def clients(peer: Peer) -> Iterator[Clients]:
    with ExitStack() as opened:
        yield Clients(peer, opened)


def batch(receiver: Foreign, count: int) -> list[Foreign]:
    """`count` messages, whose deliveries stay to be settled."""
    found: list[Foreign] = []
    while len(found) < count:
        more = receiver.receive_message_batch(max_batch_size=count - len(found), timeout=WAIT)
        assert more, f"only {len(found)} came"
        found += more
    return found


def frames(receiver: Foreign, count: int) -> list[tuple[Foreign, Foreign]]:
    """`count` transfers with their messages, to be settled by id and tag."""
    receiver.open()
    found: list[tuple[Foreign, Foreign]] = []
    while len(found) < count:
        receiver.do_work()
        while not receiver._received_messages.empty():
            found.append(receiver._received_messages.get())
    return found


def settle(receiver: Foreign, frame: Foreign, outcome: str, **fields: object) -> None:
    receiver.settle_messages(frame[1], frame[2], outcome, **fields)


def test_it_sends_and_receives(clients: Clients, node: str) -> None:
    sent = messages.Message(
        header=messages.Header(durable=True, priority=6),
        properties=messages.Properties(
            message_id="id", subject="subject", correlation_id="c", content_type="text/plain"
        ),
        application_properties={"text": "ü", "number": 7, "yes": True},
        message_annotations={"x-opt-own": "annotation"},
        data=[b"body"],
    )
    clients.sender(node).send_message(sent, timeout=WAIT)
    receiver = clients.receiver(node)
    ((frame, arrived),) = frames(receiver, 1)
    settle(receiver, frame, "accepted")
    assert arrived.data == [b"body"]
    assert (arrived.header.durable, arrived.header.priority) == (True, 6)
    properties = arrived.properties
    assert (properties.message_id, properties.subject, properties.correlation_id) == (b"id", b"subject", b"c")
    assert arrived.application_properties == {b"text": "ü".encode(), b"number": 7, b"yes": True}
    assert arrived.message_annotations[b"x-opt-own"] == b"annotation"


@pytest.mark.parametrize(
    ("section", "body"),
    [("data", [b"one"]), ("data", [b"one", b"two"]), ("sequence", [[1, 2]]), ("value", {"a": 1}), ("value", 42)],
    ids=["data", "two data", "sequence", "map", "number"],
)
def test_bodies_of_every_kind(clients: Clients, node: str, section: str, body: object) -> None:
    clients.sender(node).send_message(messages.Message(**{section: body}), timeout=WAIT)
    (arrived,) = batch(clients.receiver(node), 1)
    found = getattr(arrived, section)
    assert found == ({b"a": 1} if body == {"a": 1} else body)


def test_what_is_released_or_modified_comes_again(clients: Clients, node: str) -> None:
    clients.sender(node).send_message(messages.Message(data=[b"again"]), timeout=WAIT)
    receiver = clients.receiver(node, link_credit=1)
    ((frame, _),) = frames(receiver, 1)
    settle(receiver, frame, "released")
    receiver._link.flow(link_credit=1)
    ((frame, second),) = frames(receiver, 1)
    assert not second.header or not second.header.delivery_count
    settle(receiver, frame, "modified", delivery_failed=True, undeliverable_here=False)
    receiver._link.flow(link_credit=1)
    ((frame, third),) = frames(receiver, 1)
    assert third.header.delivery_count == 1
    settle(receiver, frame, "accepted")


def test_an_outcome_that_is_awaited_is_confirmed(clients: Clients, node: str) -> None:
    clients.sender(node).send_message(messages.Message(data=[b"x"]), timeout=WAIT)
    receiver = clients.receiver(node, receive_settle_mode=constants.ReceiverSettleMode.Second)
    ((frame, _),) = frames(receiver, 1)
    settle(receiver, frame, "accepted", await_outcome=True, outcome_timeout=WAIT)


def test_a_large_message(clients: Clients, node: str) -> None:
    body = uuid.uuid4().bytes * 60_000
    clients.sender(node, max_frame_size=16_384).send_message(messages.Message(data=[body]), timeout=WAIT)
    (arrived,) = batch(clients.receiver(node, max_frame_size=16_384), 1)
    assert b"".join(arrived.data) == body


def test_many_messages_keep_their_order(clients: Clients, node: str) -> None:
    sender = clients.sender(node)
    # It sends no body for a 0.
    for number in range(1, 101):
        sender.send_message(messages.Message(value=number), timeout=WAIT)
    arrived = batch(clients.receiver(node), 100)
    assert [one.value for one in arrived] == list(range(1, 101))


def test_a_selector(clients: Clients, node: str) -> None:
    sender = clients.sender(node)
    for number in range(1, 5):
        sender.send_message(
            messages.Message(value=number, application_properties={"colour": "red" if number % 2 else "blue"}),
            timeout=WAIT,
        )
    receiver = clients.receiver(_selecting(node, "colour = 'red'"))
    assert [one.value for one in batch(receiver, 2)] == [1, 3]


def _selecting(node: str, selector: str) -> Foreign:
    name = b"apache.org:selector-filter:string"
    return endpoints.Source(address=node, filters={name: (name, selector)})


def test_a_wrong_password(peer: Peer) -> None:
    refused = Clients(peer.as_user(peer.user, "wrong"), ExitStack())
    client = pyamqp.SendClient(refused.host, "x", **refused.options({}))
    with pytest.raises((ValueError, errors.AMQPException)):
        client.open()
    # It leaves its socket open then.
    client._connection._transport.close()


@pytest.mark.only("batonmq")
def test_a_queue_that_is_not_there(clients: Clients, name: str) -> None:
    with pytest.raises(errors.AMQPException) as refused:
        clients.sender(f"/queues/{name}").send_message(messages.Message(data=[b"x"]), timeout=WAIT)
    assert refused.value.condition == b"amqp:not-found"
