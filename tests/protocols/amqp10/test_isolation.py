# ruff: noqa: ANN401 (fields of performatives come as they are)
"""Who lacks a right, or is in another virtual host, is refused at the right level and changes nothing.

One table: whatever else can be asked of the broker over AMQP 1.0 gets a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from batonmq.protocols.amqp10.codec.composites import encode_composite
from batonmq.protocols.amqp10.codec.performatives import (
    Attach,
    Close,
    Coordinator,
    Declare,
    Declared,
    DeleteOnNoLinks,
    Detach,
    Disposition,
    End,
    MessageProperties,
    Open,
    Rejected,
    Source,
    Target,
    TransactionalState,
)
from batonmq.protocols.amqp10.codec.values import Symbol, UByte, UInt
from batonmq.protocols.amqp10.management.bindings import BindingRequests
from batonmq.protocols.amqp10.management.exchanges import ExchangeRequests
from batonmq.protocols.amqp10.management.queues import QueueRequests
from batonmq.protocols.amqp10.nodes import resolving
from batonmq.protocols.amqp10.nodes.addresses import EXCHANGE, EXISTING, QUEUE, TOPIC, Address, parse_address
from tests.protocols.amqp10.client import Client, condition_of, message, of, one
from tests.protocols.amqp10.paired import Pair
from tests.support.driven import Driven
from tests.support.isolation import MINE, OTHER, RIGHTS, STRANGER, THEIRS, USER, lacking, state, world

UNAUTHORIZED = "amqp:unauthorized-access"
NOT_FOUND = "amqp:not-found"
LINK = "link"
"""The link is refused: attached with a null terminus, and detached."""
MESSAGE = "message"
"""The message is rejected."""
ANSWER = "answer"
"""The request is answered with a status."""
NOTHING = ""
"""It is done, in the client's own virtual host."""

Attempt = Callable[[Client], tuple[str, str]]


class Row(NamedTuple):
    """What is tried; what comes of it without the right, and with all rights in another virtual host."""

    what: str
    rights: str
    """The rights to configure, write and read of which it needs each by itself: some of "cwr"."""
    attempt: Attempt
    without_right: tuple[str, str]
    elsewhere: tuple[str, str]


# ---------------------------------------------------------------------- attempts


def attached(came: list[object]) -> tuple[str, str]:
    """What an attach has come to."""
    answer = one(came, Attach)
    refused = of(came, Detach)
    if not refused:
        return NOTHING, NOTHING
    assert (answer.target if answer.role else answer.source) is None
    assert refused[0].closed
    return LINK, condition_of(refused[0])


def reading(address: str | None, *capabilities: str, name: str = "l", handle: int = 7, **fields: Any) -> Attempt:
    def attempt(client: Client) -> tuple[str, str]:
        symbols = [Symbol(each) for each in capabilities] or None
        source = Source(address=address, capabilities=symbols, **fields)
        return attached(client.say(Attach(name=name, handle=UInt(handle), role=True, source=source, target=Target())))

    return attempt


def writing(address: str | None, *capabilities: str, **fields: Any) -> Attempt:
    def attempt(client: Client) -> tuple[str, str]:
        symbols = [Symbol(each) for each in capabilities] or None
        target = Target(address=address, capabilities=symbols, **fields)
        return attached(
            client.say(
                Attach(
                    name="l",
                    handle=UInt(7),
                    role=False,
                    source=Source(),
                    target=target,
                    initial_delivery_count=UInt(0),
                )
            )
        )

    return attempt


def looking_for_a_subscription(client: Client) -> tuple[str, str]:
    return attached(client.say(Attach(name="theirs", handle=UInt(7), role=True, target=Target())))


def rejected(came: list[object]) -> tuple[str, str]:
    """What a message has come to."""
    if of(came, Detach):
        return LINK, condition_of(of(came, Detach)[0])
    state = of(came, Disposition)[-1].state
    if isinstance(state, Rejected):
        assert state.error is not None
        return MESSAGE, str(state.error.condition)
    return NOTHING, NOTHING


def relaying(to: str) -> Attempt:
    def attempt(client: Client) -> tuple[str, str]:
        handle = client.sender(None)
        return rejected(client.transfer(handle, message(b"m", MessageProperties(to=to).encoded())))

    return attempt


def relaying_in_a_transaction(client: Client) -> tuple[str, str]:
    coordinator = Attach(
        name="coordinator",
        handle=UInt(9),
        role=False,
        source=Source(),
        target=Coordinator(capabilities=[Symbol("amqp:local-transactions")]),
        initial_delivery_count=UInt(0),
    )
    client.say(coordinator)
    declared = one(client.transfer(9, b"\x00\x53\x77" + encode_composite(Declare())), Disposition).state
    assert isinstance(declared, Declared)
    handle = client.sender(None)
    payload = message(b"m", MessageProperties(to="/queues/theirs").encoded())
    state = TransactionalState(txn_id=declared.txn_id)
    came = of(client.transfer(handle, payload, state=state), Disposition)
    answer = came[-1].state
    outcome = answer.outcome if isinstance(answer, TransactionalState) else answer
    if not isinstance(outcome, Rejected):
        return DONE
    assert outcome.error is not None
    return MESSAGE, str(outcome.error.condition)


def asking(method: str, path: str, body: object = None) -> Attempt:
    def attempt(client: Client) -> tuple[str, str]:
        status, _ = Pair(client).ask(method, path, body)
        return (NOTHING, NOTHING) if status.startswith("2") else (ANSWER, status)

    return attempt


def a_binding(**ends: str) -> dict[str, object]:
    return {"source": "amq.direct", "binding_key": "k", "arguments": {}, **ends}


WITHOUT = (LINK, UNAUTHORIZED)
ABSENT = (LINK, NOT_FOUND)
FORBIDDEN = (ANSWER, "403")
DONE = (NOTHING, NOTHING)
DURABLE: dict[str, Any] = {"durable": UInt(2), "expiry_policy": Symbol("never")}
SHARED_NODE: dict[str, Any] = {"dynamic_node_properties": {Symbol("lifetime-policy"): DeleteOnNoLinks()}}

TABLE = [
    # Receiving.
    Row("read a queue", "r", reading("/queues/theirs"), WITHOUT, ABSENT),
    Row("read a queue that is not there", "r", reading("/queues/none"), WITHOUT, ABSENT),
    Row("read a queue by its older address", "r", reading("/amq/queue/theirs"), WITHOUT, ABSENT),
    Row("read a queue, and make it if it is not there", "cr", reading("/queue/theirs2"), WITHOUT, DONE),
    Row("read a queue by its bare name", "cr", reading("theirs2"), WITHOUT, DONE),
    Row("read a queue that is there by its bare name", "r", reading("theirs"), WITHOUT, DONE),
    Row("read a queue by its URI", "cr", reading("queue://theirs2"), WITHOUT, DONE),
    Row("read a queue that gets copies of a topic", "cwr", reading("news::theirs2"), WITHOUT, DONE),
    Row("have my queue get copies of a topic", "wr", reading("news::mine"), WITHOUT, DONE),
    Row("browse a queue", "r", reading("/queues/theirs", distribution_mode=Symbol("copy")), WITHOUT, ABSENT),
    Row("subscribe to a topic", "cwr", reading("news", "topic"), WITHOUT, DONE),
    Row("subscribe to a topic by its URI", "cwr", reading("topic://news"), WITHOUT, DONE),
    Row("subscribe to a topic by RabbitMQ's older address", "cwr", reading("/topic/news"), WITHOUT, DONE),
    Row("subscribe to an exchange", "cwr", reading("/exchanges/theirs.x/k"), WITHOUT, ABSENT),
    Row("subscribe to an exchange that is not there", "", reading("/exchanges/none/k"), WITHOUT, ABSENT),
    Row("subscribe for good", "cwr", reading("news", "topic", **DURABLE), WITHOUT, DONE),
    Row("subscribe with others", "cwr", reading("news", "topic", "shared"), WITHOUT, DONE),
    Row(
        "subscribe with all",
        "cwr",
        reading("news", "topic", "shared", "global", name="theirs", **DURABLE),
        WITHOUT,
        DONE,
    ),
    Row("look for a subscription", "r", looking_for_a_subscription, WITHOUT, ABSENT),
    Row("read a dynamic queue", "cr", reading(None, dynamic=True), WITHOUT, DONE),
    Row("read a dynamic queue that others may have", "cr", reading(None, dynamic=True, **SHARED_NODE), WITHOUT, DONE),
    Row("read a temporary topic", "cwr", reading(None, "temporary-topic", dynamic=True), WITHOUT, DONE),
    # Sending.
    Row("write to a queue", "w", writing("/queues/theirs"), WITHOUT, ABSENT),
    Row("write to a queue that is not there", "w", writing("/queues/none"), WITHOUT, ABSENT),
    Row("write to a queue by its older address", "w", writing("/amq/queue/theirs"), WITHOUT, ABSENT),
    Row("write to a queue, and make it if it is not there", "cw", writing("/queue/theirs2"), WITHOUT, DONE),
    Row("write to a queue by its bare name", "cw", writing("theirs2"), WITHOUT, DONE),
    Row("write to a queue that is there by its bare name", "w", writing("theirs"), WITHOUT, DONE),
    Row("write to a queue that gets copies of a topic", "wr", writing("news::mine"), WITHOUT, DONE),
    Row("write to an exchange", "w", writing("/exchanges/theirs.x/k"), WITHOUT, ABSENT),
    Row("write to an exchange that is not there", "w", writing("/exchanges/none/k"), WITHOUT, ABSENT),
    Row("write to an exchange of the broker", "w", writing("/exchanges/amq.fanout"), WITHOUT, DONE),
    Row("write to a topic", "w", writing("news", "topic"), WITHOUT, DONE),
    Row("write to the broker's management", "w", writing("/exchanges/batonmq.management/k"), WITHOUT, DONE),
    Row("write to a dynamic queue", "cw", writing(None, dynamic=True), WITHOUT, DONE),
    Row(
        "write to a dynamic queue that others may have", "cw", writing(None, dynamic=True, **SHARED_NODE), WITHOUT, DONE
    ),
    # Messages that tell where they go.
    Row("relay to a queue", "w", relaying("/queues/theirs"), (MESSAGE, UNAUTHORIZED), (MESSAGE, NOT_FOUND)),
    Row("relay to a queue by its bare name", "cw", relaying("theirs2"), (MESSAGE, UNAUTHORIZED), DONE),
    Row("relay to an exchange", "w", relaying("/exchanges/theirs.x/k"), (MESSAGE, UNAUTHORIZED), (MESSAGE, NOT_FOUND)),
    Row("relay to a topic", "w", relaying("topic://news"), (MESSAGE, UNAUTHORIZED), DONE),
    Row("relay in a transaction", "w", relaying_in_a_transaction, (MESSAGE, UNAUTHORIZED), (MESSAGE, NOT_FOUND)),
    # Management.
    Row("look a queue up", "", asking("GET", "/queues/theirs"), FORBIDDEN, (ANSWER, "404")),
    Row("declare a queue", "c", asking("PUT", "/queues/theirs2", {}), FORBIDDEN, DONE),
    Row("declare a queue that is there", "c", asking("PUT", "/queues/theirs", {}), FORBIDDEN, DONE),
    Row(
        "declare a queue whose dead letters go elsewhere",
        "cwr",
        asking("PUT", "/queues/mine2", {"arguments": {"x-dead-letter-exchange": "theirs.x"}}),
        FORBIDDEN,
        DONE,
    ),
    Row("delete a queue", "c", asking("DELETE", "/queues/theirs"), FORBIDDEN, DONE),
    Row("purge a queue", "r", asking("DELETE", "/queues/theirs/messages"), FORBIDDEN, (ANSWER, "404")),
    Row("declare an exchange", "c", asking("PUT", "/exchanges/theirs2", {}), FORBIDDEN, DONE),
    Row(
        "declare an exchange with an alternate one",
        "cwr",
        asking("PUT", "/exchanges/mine2", {"arguments": {"alternate-exchange": "theirs.x"}}),
        FORBIDDEN,
        DONE,
    ),
    Row("delete an exchange", "c", asking("DELETE", "/exchanges/theirs.x"), FORBIDDEN, DONE),
    Row(
        "bind a queue",
        "wr",
        asking("POST", "/bindings", a_binding(destination_queue=THEIRS)),
        FORBIDDEN,
        (ANSWER, "400"),
    ),
    Row("bind my queue", "wr", asking("POST", "/bindings", a_binding(destination_queue=MINE)), FORBIDDEN, DONE),
    Row(
        "bind an exchange",
        "wr",
        asking("POST", "/bindings", a_binding(destination_exchange="theirs.x")),
        FORBIDDEN,
        (ANSWER, "400"),
    ),
    Row("look bindings up", "wr", asking("GET", "/bindings?src=theirs.x&dstq=theirs&key=k"), FORBIDDEN, DONE),
    Row("unbind", "wr", asking("DELETE", "/bindings/src=theirs.x;dstq=theirs;key=k;args="), FORBIDDEN, DONE),
]
IDS = [row.what for row in TABLE]


# ---------------------------------------------------------------------- tests


@pytest.fixture
def driven() -> Driven:
    driven = world()
    # A subscription of the container that the client is, by another user.
    driven.operations.declare_queue("test.theirs", durable=True)
    driven.settle()
    return driven


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_without_the_right(driven: Driven, row: Row) -> None:
    before = state(driven.broker)
    client = Client(driven, users={"guest": ("guest", USER)}).start()
    assert row.attempt(client) == row.without_right
    assert state(driven.broker) == before
    # The session goes on.
    assert reading("/queues/mine", name="mine", handle=8)(client) == DONE
    client.lose()
    assert state(driven.broker) == before


@pytest.mark.parametrize("missing", RIGHTS)
@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_without_one_of_the_rights(driven: Driven, row: Row, missing: str) -> None:
    before = state(driven.broker)
    client = Client(driven, users={"guest": ("guest", lacking(missing))}).start()
    came = row.attempt(client)
    assert (came == row.without_right) is (missing[0] in row.rights)
    if came != DONE:
        client.lose()
        assert state(driven.broker) == before


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_from_another_virtual_host(driven: Driven, row: Row) -> None:
    before, there = state(driven.broker), state(driven.broker, OTHER)
    client = Client(driven, users={"guest": ("guest", STRANGER)})
    client.open(hostname="vhost:other")
    client.begin()
    assert row.attempt(client) == row.elsewhere
    assert state(driven.broker) == before
    if row.elsewhere != DONE:
        assert state(driven.broker, OTHER) == there


@pytest.mark.parametrize("hostname", [None, "localhost", "vhost:/"])
def test_a_virtual_host_without_a_right_to_it(driven: Driven, hostname: str | None) -> None:
    client = Client(driven, users={"guest": ("guest", STRANGER)})
    client.log_in()
    came = client.say(Open(container_id="test", hostname=hostname))
    assert condition_of(one(came, Close)) == UNAUTHORIZED
    assert not of(came, End)


def test_queues_of_another_connection(driven: Driven) -> None:
    """They are locked, whatever the rights."""
    owner = Pair(Client(driven).start())
    assert owner.ask("PUT", "/queues/locked", {"exclusive": True})[0] == "201"
    client = Client(driven).start()
    assert reading("/queues/locked")(client) == (LINK, "amqp:resource-locked")
    browsing = Source(address="/queues/locked", distribution_mode=Symbol("copy"))
    came = client.say(Attach(name="b", handle=UInt(8), role=True, source=browsing, target=Target()))
    assert attached(came) == (LINK, "amqp:resource-locked")
    for method, path, body in (
        ("PUT", "/queues/locked", {}),
        ("DELETE", "/queues/locked/messages", None),
        ("DELETE", "/queues/locked", None),
        ("POST", "/bindings", a_binding(destination_queue="locked")),
    ):
        assert asking(method, path, body)(Client(driven).start()) == (ANSWER, "400"), path
    assert "locked" in driven.operations.vhost.queues


def test_direct_replies_are_of_one_link(driven: Driven) -> None:
    """The address of another's is not to be found out, and gives no right to read."""
    owner = Client(driven).start()
    source = Source(dynamic=True, capabilities=[Symbol("rabbitmq:volatile-queue")])
    attach = Attach(name="r", handle=UInt(1), role=True, source=source, target=Target(), snd_settle_mode=UByte(1))
    answer = one(owner.say(attach), Attach)
    assert answer.source is not None
    address = answer.source.address
    assert address is not None
    client = Client(driven).start()
    assert reading(address)(client)[0] == LINK


def test_each_request_and_each_kind_of_address_is_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes one says here which rights it needs."""
    asked: set[str] = set()
    kinds: set[str] = set()

    def watch(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def watched(*arguments: Any) -> object:
            asked.add(f"{owner.__name__}.{name}")
            return original(*arguments)

        monkeypatch.setattr(owner, name, watched)

    def parse(*arguments: Any) -> Address:
        address = parse_address(*arguments)
        kinds.add(address.kind)
        return address

    monkeypatch.setattr(resolving, "parse_address", parse)
    owners = (QueueRequests, ExchangeRequests, BindingRequests)
    requests = [(owner, name) for owner in owners for name in vars(owner) if not name.startswith("_")]
    for owner, name in requests:
        watch(owner, name)
    driven = world()
    for row in TABLE:
        client = Client(driven, users={"guest": ("guest", USER)}).start()
        row.attempt(client)
        client.lose()
    assert asked == {f"{owner.__name__}.{name}" for owner, name in requests}
    assert kinds == {QUEUE, EXISTING, EXCHANGE, TOPIC}
