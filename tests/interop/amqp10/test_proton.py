"""python-qpid-proton: messages of every kind, settled in every way."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.interop.amqp10.peer import Peer
from tests.interop.amqp10.proton_client import Client, Delivery, Foreign, Message, bodies, proton, reactor

ID = uuid.UUID("a3bb189e-8bf9-3888-9912-ace4e6543002")
SIMPLE = {
    "true": True,
    "false": False,
    "ubyte": proton.ubyte(200),
    "ushort": proton.ushort(60_000),
    "uint": proton.uint(4_000_000_000),
    "ulong": proton.ulong(2**64 - 1),
    "byte": proton.byte(-100),
    "short": proton.short(-30_000),
    "int": proton.int32(-2_000_000_000),
    "long": -(2**62),
    "float": proton.float32(0.5),
    "double": 1.1,
    "char": proton.char("ä"),
    "timestamp": proton.timestamp(1_700_000_000_123),
    "uuid": ID,
    "binary": b"\x00\xff",
    "string": "grüße",
    "symbol": proton.symbol("amqp:symbol"),
}
# Proton reads binary in place.
READ: dict[type, type] = {bytes: memoryview}
COMPOUND = {
    "decimal": proton.decimal64(12345),
    "list": [1, "two", None, [3.5]],
    "map": {"key": "value", "deep": {"list": [True]}},
    "array": proton.Array(proton.UNDESCRIBED, proton.Data.INT, 1, 2, 3),
    "described": proton.Described(proton.symbol("a:type"), ["of", "its own"]),
}


@pytest.fixture
def client(peer: Peer) -> Iterator[Client]:
    with Client(peer) as client:
        yield client


@pytest.mark.parametrize("body", [*SIMPLE.values(), *COMPOUND.values()], ids=[*SIMPLE, *COMPOUND])
def test_a_value_of_any_type_arrives_as_it_was_sent(client: Client, node: str, body: object) -> None:
    client.sender(node).send(Message(body=body))
    receiver = client.receiver(node)
    arrived = receiver.receive()
    receiver.accept()
    assert (arrived.body, type(arrived.body), arrived.inferred) == (body, READ.get(type(body), type(body)), False)


@pytest.mark.parametrize("body", [b"\x00data", b"", [1, "sequence"]], ids=["data", "empty", "sequence"])
def test_data_and_sequences_stay_what_they_are(client: Client, node: str, body: object) -> None:
    client.sender(node).send(Message(body=body, inferred=True))
    receiver = client.receiver(node)
    arrived = receiver.receive()
    receiver.accept()
    assert (arrived.body, arrived.inferred) == (body, True)


@pytest.mark.parametrize("ident", ["text", proton.ulong(7), ID, b"\x00\x01"], ids=["string", "ulong", "uuid", "binary"])
def test_ids_keep_their_type(client: Client, node: str, ident: object) -> None:
    client.sender(node).send(Message(body="x", id=ident, correlation_id=ident))
    receiver = client.receiver(node)
    arrived = receiver.receive()
    receiver.accept()
    # A number is read as a plain one.
    kind = {**READ, proton.ulong: int}.get(type(ident), type(ident))
    assert (arrived.id, type(arrived.id)) == (ident, kind)
    assert (arrived.correlation_id, type(arrived.correlation_id)) == (ident, kind)


def test_header_and_properties_arrive(client: Client, peer: Peer, node: str) -> None:
    wanted: dict[str, Foreign] = {
        "user_id": peer.user.encode(),
        "address": node,
        "subject": "subject",
        "reply_to": "replies",
        "content_type": "text/plain",
        "content_encoding": "utf-8",
        "expiry_time": 4_000_000_000.0,
        "creation_time": 1_700_000_000.0,
        "group_id": "group",
        "group_sequence": 3,
        "reply_to_group_id": "other",
        "durable": True,
        "priority": 7,
        "ttl": 500.0,
    }
    client.sender(node).send(Message(body="x", **wanted))
    receiver = client.receiver(node)
    arrived = receiver.receive()
    receiver.accept()
    found = {key: getattr(arrived, key) for key in wanted}
    # What is left of it.
    assert 0 < found.pop("ttl") <= wanted.pop("ttl")
    assert found == wanted
    assert arrived.delivery_count == 0


def test_application_properties_and_annotations_keep_their_types(client: Client, node: str) -> None:
    sent = Message(body="x", properties={**SIMPLE, "null": None}, annotations={"x-opt-own": [1, {"a": proton.uint(2)}]})
    client.sender(node).send(sent)
    receiver = client.receiver(node)
    arrived = receiver.receive()
    receiver.accept()
    assert arrived.properties.pop("null") is None
    assert arrived.properties == SIMPLE
    assert {key: type(value) for key, value in arrived.properties.items()} == {
        key: READ.get(type(value), type(value)) for key, value in SIMPLE.items()
    }
    assert arrived.annotations[proton.symbol("x-opt-own")] == [1, {"a": 2}]


def test_order_is_kept(client: Client, node: str) -> None:
    client.send(node, *range(200))
    receiver = client.receiver(node, credit=50)
    arrived = []
    for _ in range(200):
        arrived.append(receiver.receive().body)
        receiver.accept()
    assert arrived == list(range(200))
    assert client.left(node) == []


def test_what_is_sent_settled_arrives(client: Client, node: str) -> None:
    sender = client.sender(node, options=reactor.AtMostOnce())
    for number in range(20):
        sender.send(Message(body=number))
    receiver = client.receiver(node)
    for number in range(20):
        assert receiver.receive().body == number
        receiver.accept()


def test_what_is_delivered_settled_is_gone(client: Client, node: str) -> None:
    client.send(node, "a", "b")
    receiver = client.receiver(node, credit=2, options=reactor.AtMostOnce())
    assert [receiver.receive().body, receiver.receive().body] == ["a", "b"]
    assert not receiver.fetcher.unsettled
    receiver.close()
    assert client.left(node) == []


def test_no_more_comes_than_there_is_credit_for(peer: Peer, client: Client, node: str) -> None:
    client.send(node, *range(10))
    receiver = client.receiver(node, credit=0)
    receiver.flow(3)
    client.until(lambda: len(receiver.fetcher.incoming) == 3)
    with Client(peer) as other:
        assert other.left(node) == list(range(3, 10))
    assert len(receiver.fetcher.incoming) == 3


def test_credit_that_nothing_uses_is_taken_back(client: Client, node: str) -> None:
    client.send(node, 1, 2)
    receiver = client.receiver(node, credit=0)
    assert bodies(client.drained(receiver, 10)) == [1, 2]
    assert receiver.link.credit == 0
    client.send(node, 3)
    assert bodies(client.drained(receiver, 10)) == [3]
    assert client.drained(receiver, 10) == []


def test_a_receive_times_out_and_the_next_one_finds_what_came(client: Client, node: str) -> None:
    receiver = client.receiver(node)
    with pytest.raises(proton.Timeout):
        receiver.receive(timeout=0.2)
    client.send(node, "late")
    assert receiver.receive().body == "late"
    receiver.accept()


def test_released_comes_back_and_is_not_counted(client: Client, node: str) -> None:
    client.send(node, "again")
    receiver = client.receiver(node)
    receiver.receive()
    receiver.release(delivered=False)
    again = receiver.receive()
    assert (again.body, again.delivery_count) == ("again", 0)
    receiver.accept()


def test_modified_comes_back_and_is_counted(client: Client, node: str) -> None:
    client.send(node, "again")
    receiver = client.receiver(node)
    receiver.receive()
    fetched = receiver.fetcher.unsettled.popleft()
    fetched.local.failed = True
    fetched.update(Delivery.MODIFIED)
    fetched.settle()
    again = receiver.receive()
    assert (again.body, again.delivery_count) == ("again", 1)
    receiver.accept()


def test_rejected_does_not_come_back(client: Client, node: str) -> None:
    client.send(node, "bad", "good")
    receiver = client.receiver(node)
    assert receiver.receive().body == "bad"
    receiver.reject()
    assert receiver.receive().body == "good"
    receiver.accept()
    receiver.close()
    assert client.left(node) == []


@pytest.mark.parametrize("size", [100_000, 3_000_000])
def test_a_large_message_spans_many_frames(peer: Peer, node: str, size: int) -> None:
    body = uuid.uuid4().bytes * (size // 16)
    with Client(peer, max_frame_size=4096) as client:
        client.sender(node).send(Message(body=body, inferred=True, durable=True))
        receiver = client.receiver(node)
        assert receiver.receive().body == body
        receiver.accept()
