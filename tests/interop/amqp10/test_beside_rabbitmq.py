"""RabbitMQ 4.3 and BatonMQ get the same frames, and answer with the same conditions, outcomes and statuses.

Needs a RabbitMQ, named by BATONMQ_TEST_RABBITMQ (amqp://guest:guest@127.0.0.1:5811). What differs is in a table here,
with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Close,
    Coordinator,
    Detach,
    Disposition,
    End,
    Flow,
    MessageProperties,
    Modified,
    Outcome,
    Rejected,
    Released,
    Source,
)
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import Described, Long, Symbol, UByte, UInt
from tests.interop.amqp10.raw_client import Gone, RawClient
from tests.support.broker import Broker
from tests.support.wire import Address

PEER = "BATONMQ_TEST_RABBITMQ"
QUEUE, EMPTY, FULL, EXCHANGE = (f"batonmq.beside.{name}" for name in ("queue", "empty", "full", "internal"))
M = b"\x00\x53\x75\xa0\x01m"


@pytest.fixture(scope="module")
def rabbitmq() -> Address:
    url = os.environ.get(PEER)
    if not url:
        pytest.skip(f"{PEER} names no RabbitMQ 4.3")
    parts = urlsplit(url)
    return Address(parts.hostname or "", parts.port or 5672, parts.username or "guest", parts.password or "guest")


@pytest.fixture(scope="module")
def both(rabbitmq: Address, batonmq_process: Broker) -> Iterator[tuple[Address, Address]]:
    """RabbitMQ and BatonMQ, with the same queues."""
    addresses = rabbitmq, batonmq_process.address
    full = {"arguments": {"x-max-length": Long(0), "x-overflow": "reject-publish"}}
    for address in addresses:
        with managing(address) as client:
            for name, body in ((QUEUE, {}), (EMPTY, {}), (FULL, full)):
                client.ask("PUT", f"/queues/{name}", body)
            client.ask("PUT", f"/exchanges/{EXCHANGE}", {"internal": True})
    yield addresses
    for address in addresses:
        with managing(address) as client:
            for name in (QUEUE, EMPTY, FULL):
                client.ask("DELETE", f"/queues/{name}")
            client.ask("DELETE", f"/exchanges/{EXCHANGE}")


def managing(address: Address) -> RawClient:
    client = RawClient(address).start()
    client.pair()
    return client


# ---------------------------------------------------------------------- links


Scenario = Callable[[RawClient], object]


def shown(found: object) -> object:
    """What has to be the same."""
    if isinstance(found, Detach | End | Close):
        return type(found).__name__, str(found.error.condition) if found.error is not None else ""
    if isinstance(found, Rejected):
        return "Rejected", str(found.error.condition) if found.error is not None else ""
    if isinstance(found, Attach):
        source = found.source
        return "Attach", None if source is None else sorted(str(name) for name in source.filter or {})
    if isinstance(found, Accepted | Released | Modified):
        return type(found).__name__
    if isinstance(found, Flow):
        return found.delivery_count, found.link_credit, found.available, bool(found.drain)
    return found


def sending(address: str | None, **fields: object) -> Scenario:
    return lambda client: client.attach_sender(1, address, **fields)


def receiving(address: str | None, **fields: object) -> Scenario:
    return lambda client: client.attach_receiver(1, address, **fields)


def filtering(name: str, filter_: object) -> Scenario:
    return receiving(None, source=Source(address=f"/queues/{QUEUE}", filter={Symbol(name): filter_}))


def transferring(address: str | None, payload: bytes = M, **fields: object) -> Scenario:
    def run(client: RawClient) -> object:
        answer = client.attach_sender(1, address)
        if not isinstance(answer, Attach):
            return answer
        client.get(Flow)
        client.transfer(1, payload, **fields)
        return client.outcome()

    return run


def to(address: str) -> bytes:
    return MessageProperties(to=address).encoded() + M


def same_name(client: RawClient) -> object:
    client.attach_sender(1, f"/queues/{QUEUE}", name="n")
    return client.attach_sender(2, f"/queues/{QUEUE}", name="n")


def same_handle(client: RawClient) -> object:
    client.attach_sender(1, f"/queues/{QUEUE}", name="n")
    return client.attach_sender(1, f"/queues/{QUEUE}", name="m")


def flow_without_a_link(client: RawClient) -> object:
    client.credit(5, 1)
    return client.get(Detach, End, Close)


def message_without_a_link(client: RawClient) -> object:
    client.transfer(5, M)
    return client.outcome()


def draining(client: RawClient) -> object:
    client.attach_receiver(1, f"/queues/{EMPTY}")
    client.credit(1, 10, drain=True)
    return client.get(Flow, End, Close)


def echoing(client: RawClient) -> object:
    client.attach_receiver(1, f"/queues/{EMPTY}")
    client.credit(1, 10, echo=True)
    return client.get(Flow, End, Close)


def detaching(client: RawClient) -> object:
    client.attach_sender(1, f"/queues/{QUEUE}")
    client.say(Detach(handle=UInt(1), closed=True))
    found = client.get(Detach, End, Close)
    return shown(found), isinstance(found, Detach) and found.closed


def deleting_under_a_consumer(client: RawClient) -> object:
    client.pair()
    client.ask("PUT", "/queues/batonmq.beside.gone", {})
    client.attach_receiver(1, "/queues/batonmq.beside.gone")
    client.ask("DELETE", "/queues/batonmq.beside.gone")
    return client.get(Detach, End, Close)


def settling(state: Outcome, *, settled: bool = True) -> Scenario:
    """What of the second delivery is told in its header; None: there is none. Or what the server says of the first."""

    def run(client: RawClient) -> object:
        client.pair()
        client.ask("DELETE", f"/queues/{QUEUE}/messages")
        client.attach_sender(1, f"/queues/{QUEUE}")
        client.transfer(1, M)
        client.outcome()
        client.attach_receiver(2, f"/queues/{QUEUE}")
        client.credit(2, 1)
        number, _ = client.delivery()
        client.say(Disposition(role=True, first=UInt(number), settled=settled, state=state))
        if not settled:
            answer = client.get(Disposition, End)
            return isinstance(answer, Disposition) and (answer.settled, shown(answer.state))
        client.credit(2, 1, delivery_count=UInt(1), drain=True)
        found = client.wait(lambda each: (isinstance(each, Flow) and bool(each.drain)) or is_delivery(each))
        if isinstance(found, Flow):
            return None
        assert isinstance(found, tuple)
        header = Sections(bytes(found[5])).header()
        assert header is not None
        return header.delivery_count or 0, bool(header.first_acquirer)

    return run


def is_delivery(event: object) -> bool:
    return isinstance(event, tuple)


SAID = Described(Symbol("apache.org:selector-filter:string"), "a = 1")
SCENARIOS: dict[str, Scenario] = {
    "write to a queue": sending(f"/queues/{QUEUE}"),
    "write to no queue": sending("/queues/batonmq.beside.none"),
    "write to an exchange": sending("/exchanges/amq.direct/k"),
    "write to no exchange": sending("/exchanges/batonmq.beside.none/k"),
    "write to the default exchange": sending("/exchanges/amq.default/k"),
    "write to an internal exchange": transferring(f"/exchanges/{EXCHANGE}/k"),
    "a bad address": sending("/nowhere"),
    "an address without a name": sending("/queues/"),
    "a bad percent encoding": sending("/queues/%zz"),
    "the second settle mode of receivers": sending(f"/queues/{QUEUE}", rcv_settle_mode=UByte(1)),
    "a coordinator": sending(None, target=Coordinator()),
    "read a queue": receiving(f"/queues/{QUEUE}"),
    "read no queue": receiving("/queues/batonmq.beside.none"),
    "a source without an address": receiving(None),
    "an unknown filter": filtering("f", Described(Symbol("odd:filter"), "a")),
    "an SQL filter": filtering("sql-filter", Described(Symbol("amqp:sql-filter"), "a = 1")),
    "a JMS selector": filtering("selector", SAID),
    "a message": transferring(f"/queues/{QUEUE}"),
    "a message that no queue wants": transferring("/exchanges/amq.direct/batonmq.beside.none"),
    "a message for a full queue": transferring(f"/queues/{FULL}"),
    "a message that is none": transferring(f"/queues/{QUEUE}", b"\x00\x53\x99x"),
    "an empty message": transferring(f"/queues/{QUEUE}", b""),
    "a message over no link": message_without_a_link,
    "a user-id of another": transferring(f"/queues/{QUEUE}", MessageProperties(user_id=b"other").encoded() + M),
    "a user-id": transferring(f"/queues/{QUEUE}", MessageProperties(user_id=b"guest").encoded() + M),
    "relay": transferring(None, to(f"/queues/{QUEUE}")),
    "relay to no queue": transferring(None, to("/queues/batonmq.beside.none")),
    "relay to no exchange": transferring(None, to("/exchanges/batonmq.beside.none/k")),
    "relay to nobody": transferring(None, to("/exchanges/amq.direct/batonmq.beside.none")),
    "relay without an address": transferring(None),
    "relay to a bad address": transferring(None, to("/nowhere")),
    "two links of a name": same_name,
    "two links of a handle": same_handle,
    "a flow for no link": flow_without_a_link,
    "drain": draining,
    "echo": echoing,
    "detach": detaching,
    "a queue is deleted under its consumer": deleting_under_a_consumer,
    "accepted": settling(Accepted()),
    "rejected": settling(Rejected()),
    "released": settling(Released()),
    "modified": settling(Modified()),
    "modified, delivery failed": settling(Modified(delivery_failed=True)),
    "accepted, and to be settled by the sender": settling(Accepted(), settled=False),
}

DIFFERENT = {
    "the second settle mode of receivers": "RabbitMQ does not have it",
    "a coordinator": "RabbitMQ has no transactions",
    "a JMS selector": "RabbitMQ has only the filter of the specification's extension",
    "a user-id of another": "RabbitMQ detaches the link, and not only refuses the message",
    "relay to no queue": "RabbitMQ releases it: anonterm-v1.0 §2.2.2 has it rejected",
    "relay without an address": "RabbitMQ says precondition-failed: its dialect does, too",
    "relay to a bad address": "RabbitMQ says precondition-failed: its dialect does, too",
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_links(both: tuple[Address, Address], name: str) -> None:
    came = []
    for address in both:
        with RawClient(address).start() as client:
            try:
                came.append(shown(SCENARIOS[name](client)))
            except Gone:
                came.append("gone")
    theirs, ours = came
    assert (theirs != ours) is (name in DIFFERENT), came


# ---------------------------------------------------------------------- management


N = "batonmq.beside.managed"
REQUESTS: list[tuple[str, str, object]] = [
    ("GET", f"/queues/{N}", None),
    ("PUT", "/queues/", {}),
    ("PUT", f"/queues/{N}", {}),
    ("PUT", f"/queues/{N}", {}),
    ("GET", f"/queues/{N}", None),
    ("PUT", f"/queues/{N}", {"durable": False}),
    ("PUT", f"/queues/{N}", {"exclusive": True}),
    ("PUT", f"/queues/{N}", {"arguments": {"x-max-length": Long(10)}}),
    ("PUT", f"/queues/{N}", {"durable": Long(1)}),
    ("PUT", f"/queues/{N}", {"odd": True}),
    ("PUT", f"/queues/{N}2", {"arguments": {"x-queue-type": "odd"}}),
    ("PUT", f"/queues/{N}2", {"arguments": {"x-max-length": Long(-1)}}),
    ("PUT", f"/queues/{N}2", {"arguments": {"x-queue-type": "quorum", "x-max-length": Long(5)}}),
    ("PUT", f"/queues/{N}%2F%C3%A4", {"arguments": {"x-own": [Long(1), "a", True]}, "auto_delete": True}),
    ("DELETE", f"/queues/{N}%2F%C3%A4", None),
    ("PUT", "/queues/amq.odd", {}),
    ("PUT", "/queues/a%0Ab", {}),
    ("GET", "/queues/%ZZ", None),
    ("DELETE", f"/queues/{N}/messages", None),
    ("DELETE", "/queues/batonmq.beside.none/messages", None),
    ("DELETE", "/queues/batonmq.beside.none", None),
    ("PUT", f"/exchanges/{N}", {}),
    ("PUT", f"/exchanges/{N}", {"type": "fanout"}),
    ("PUT", f"/exchanges/{N}", {"type": "odd"}),
    ("PUT", "/exchanges/", {}),
    ("PUT", "/exchanges/amq.odd", {}),
    ("DELETE", "/exchanges/amq.topic", None),
    ("DELETE", "/exchanges/batonmq.beside.none", None),
    ("POST", "/bindings", {"source": N, "destination_queue": N, "binding_key": "k 1", "arguments": {}}),
    ("POST", "/bindings", {"source": N, "destination_queue": "none", "binding_key": "k", "arguments": {}}),
    ("POST", "/bindings", {"source": "none", "destination_queue": N, "binding_key": "k", "arguments": {}}),
    ("POST", "/bindings", {"source": "", "destination_queue": N, "binding_key": "k", "arguments": {}}),
    ("POST", "/bindings", {"odd": N}),
    ("GET", f"/bindings?src={N}&dstq={N}&key=k%201", None),
    ("GET", f"/bindings?src={N}&dste=none&key=", None),
    ("GET", f"/bindings?src=&dstq={N}&key={N}", None),
    ("GET", f"/bindings?src={N}&key=", None),
    ("DELETE", "/bindings/odd", None),
    ("DELETE", f"/bindings/src={N};dstq={N};key=k%201;args=", None),
    ("DELETE", f"/bindings/src={N};dstq={N};key=k%201;args=", None),
    ("GET", f"/bindings?src={N}&dstq={N}&key=k%201", None),
    ("PUT", "/auth/tokens", b"token"),
    ("DELETE", f"/queues/{N}", None),
    ("DELETE", f"/queues/{N}2", None),
    ("DELETE", f"/exchanges/{N}", None),
]
OF_THE_NODE = ("leader", "replicas")


def comparable(answer: tuple[str, object]) -> tuple[str, object]:
    """Without the texts of errors, and what nodes are called."""
    status, body = answer
    if isinstance(body, str):
        return status, str
    if isinstance(body, dict):
        return status, {name: type(value) if name in OF_THE_NODE else value for name, value in body.items()}
    return status, body


def test_management(both: tuple[Address, Address]) -> None:
    theirs, ours = (managing(address) for address in both)
    with theirs, ours:
        for method, path, body in REQUESTS:
            answers = [client.ask(method, path, body) for client in (theirs, ours)]
            assert comparable(answers[0]) == comparable(answers[1]), (method, path, body)
