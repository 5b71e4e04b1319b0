"""How AMQP.Net Lite speaks, frame by frame: what it leaves out, what it never changes, where its numbers begin."""

from __future__ import annotations

import pytest

from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    Error,
    Flow,
    Header,
    Open,
    Performative,
    Rejected,
    Released,
    Source,
    Target,
    Transfer,
)
from batonmq.protocols.amqp10.codec.values import Described, Symbol, UByte, UInt, ULong, UShort, encode
from batonmq.protocols.amqp10.containers import Containers
from batonmq.protocols.amqp10.settings import Amqp10Settings
from batonmq.protocols.sessions.standing import FINISHED
from tests.protocols.amqp10.client import (
    AMQP_HEADER,
    SASL_HEADER,
    TICK,
    Client,
    Delivery,
    condition_of,
    message,
    of,
    one,
)
from tests.support.driven import Driven

ANONYMOUS = Amqp10Settings(anonymous_login="guest", anonymous_passcode="guest")
# The number of the first transfer, three before it begins again at 0.
FIRST = 0xFFFF_FFFD
WINDOW = UInt(2048)
OPEN = Open(container_id="AMQPNetLite", hostname="localhost", max_frame_size=UInt(64 << 10), channel_max=UShort(255))
BEGIN = Begin(next_outgoing_id=UInt(FIRST), incoming_window=WINDOW, outgoing_window=WINDOW, handle_max=UInt(1023))
SENDER = Attach(
    name="sender-link", handle=UInt(0), role=False, source=Source(), target=Target(address="q"),
    initial_delivery_count=UInt(0),
)  # fmt: skip
RECEIVER = Attach(name="receiver-link", handle=UInt(1), role=True, source=Source(address="q"), target=Target())


@pytest.fixture
def driven() -> Driven:
    driven = Driven()
    driven.queue("q")
    return driven


@pytest.fixture
def client(driven: Driven) -> Client:
    """Has a session and both links, for which it has waited no time."""
    client = Client(driven, ANONYMOUS)
    came = client.feed(AMQP_HEADER + b"".join(frame(0, each) for each in (OPEN, BEGIN, SENDER, RECEIVER)))
    assert len(of(came, Attach)) == 2
    return client


def flow(credit: int, delivery_count: int, next_incoming: int = 0, window: int = 2048) -> Flow:
    return Flow(
        next_incoming_id=UInt(next_incoming),
        incoming_window=UInt(window),
        next_outgoing_id=UInt(FIRST),
        outgoing_window=WINDOW,
        handle=UInt(1),
        delivery_count=UInt(delivery_count),
        link_credit=UInt(credit),
        drain=False,
    )


def send(client: Client, number: int, *, settled: bool = False, header: bytes = b"") -> list[object]:
    transfer = Transfer(
        handle=UInt(0),
        delivery_id=UInt(number),
        delivery_tag=number.to_bytes(4, "big"),
        message_format=UInt(0),
        settled=settled,
        batchable=True,
    )
    return client.say(transfer, message(b"%d" % number, header))


def settle(client: Client, number: int, state: Accepted | Released | Rejected) -> list[object]:
    """One by one, without the field last."""
    return client.say(Disposition(role=True, first=UInt(number), settled=True, state=state))


def bodies(came: list[object]) -> list[bytes]:
    return [delivery.body for delivery in of(came, Delivery)]


# ---------------------------------------------------------------------- opening


def test_without_a_user_there_is_no_sasl(driven: Driven) -> None:
    came = Client(driven, ANONYMOUS).feed(AMQP_HEADER + frame(0, OPEN) + frame(0, BEGIN))
    assert came[0] == AMQP_HEADER
    assert one(came, Open).max_frame_size == Amqp10Settings().max_frame_size
    assert one(came, Begin).remote_channel == 0


def test_without_a_user_it_is_told_to_use_sasl_unless_that_is_configured(driven: Driven) -> None:
    client = Client(driven)
    assert client.feed(AMQP_HEADER + frame(0, OPEN)) == [SASL_HEADER]
    assert client.session.standing() & FINISHED


def test_connections_of_one_container_do_not_disturb_each_other(driven: Driven) -> None:
    containers = Containers()
    clients = [Client(driven, ANONYMOUS, containers=containers) for _ in range(3)]
    for number, client in enumerate(clients):
        came = client.feed(AMQP_HEADER + frame(0, OPEN) + frame(0, BEGIN))
        came += client.say(
            Attach(
                name=f"sender-{number}",
                handle=UInt(0),
                role=False,
                source=Source(),
                target=Target(address="q"),
                initial_delivery_count=UInt(0),
            )
        )
        assert one(came, Attach).target is not None
    for number, client in enumerate(clients):
        assert isinstance(one(send(client, number), Disposition).state, Accepted)
        assert client.read() == []
    assert driven.operations.vhost.queues["q"].ready_count == 3


def test_a_link_of_the_same_name_in_the_same_container_takes_the_place_of_the_other(driven: Driven) -> None:
    containers = Containers()
    first, second = (Client(driven, ANONYMOUS, containers=containers) for _ in range(2))
    for client in (first, second):
        client.feed(AMQP_HEADER + frame(0, OPEN) + frame(0, BEGIN))
        assert one(client.say(RECEIVER), Attach).source is not None
    assert condition_of(one(first.read(), Detach)) == "amqp:link:stolen"
    # The direction is part of the name.
    first.say(SENDER)
    assert not second.read()


@pytest.mark.parametrize("is_symbolic", [False, True])
def test_an_attach_with_descriptors_of_either_kind(driven: Driven, is_symbolic: bool) -> None:
    def described(name: str, code: int, fields: list[object]) -> Described:
        return Described(Symbol(name) if is_symbolic else ULong(code), fields)

    client = Client(driven, ANONYMOUS)
    client.feed(AMQP_HEADER + frame(0, OPEN) + frame(0, BEGIN))
    selector = Symbol("apache.org:selector-filter:string") if is_symbolic else ULong(0x0000468C00000004)
    filters = {Symbol("f"): Described(selector, "colour = 'red'")}
    source = described("amqp:source:list", 0x28, ["q", None, None, None, None, None, None, filters])
    target = described("amqp:target:list", 0x29, [])
    attach = described("amqp:attach:list", 0x12, ["r", UInt(1), True, None, None, source, target])
    body = encode(attach)
    came = client.feed((len(body) + 8).to_bytes(4, "big") + b"\x02\x00\x00\x00" + body)
    answer = one(came, Attach)
    assert answer.source is not None
    assert list(answer.source.filter or {}) == ["f"]


# ---------------------------------------------------------------------- sending and receiving


def test_numbers_of_transfers_begin_before_the_highest_and_go_on_at_0(client: Client) -> None:
    for number in range(6):
        disposition = one(send(client, number), Disposition)
        assert (disposition.first, disposition.settled) == (number, True)
        assert isinstance(disposition.state, Accepted)
    assert of(send(client, 6, settled=True), Disposition) == []
    assert bodies(client.say(flow(10, 0))) == [b"%d" % number for number in range(7)]


def test_credit_is_restored_when_half_of_it_is_used(client: Client) -> None:
    for number in range(12):
        send(client, number)
    got = bodies(client.say(flow(4, 0)))
    assert len(got) == 4
    settled = 0
    while settled < 12:
        for _ in range(2):
            assert of(settle(client, settled, Accepted()), Disposition) == []
            settled += 1
        # Credit and window are what they were, less what is unsettled.
        unsettled = len(got) - settled
        got += bodies(client.say(flow(4 - unsettled, len(got), len(got), 2048 - unsettled)))
    assert got == [b"%d" % number for number in range(12)]
    assert client.driven.operations.vhost.queues["q"].ready_count == 0


def test_a_message_is_released_or_rejected_by_itself(client: Client) -> None:
    for number in range(3):
        send(client, number)
    assert bodies(client.say(flow(3, 0))) == [b"0", b"1", b"2"]
    settle(client, 1, Released())
    settle(client, 0, Rejected(error=Error(condition=Symbol("amqp:internal-error"), description="no")))
    settle(client, 2, Accepted())
    assert bodies(client.say(flow(3, 3, 3))) == [b"1"]


def test_a_detach_that_does_not_close_is_answered_likewise(client: Client) -> None:
    send(client, 0)
    assert bodies(client.say(flow(1, 0))) == [b"0"]
    assert not one(client.say(Detach(handle=UInt(1))), Detach).closed
    # What it had is there for the same link again.
    assert one(client.say(RECEIVER), Attach).source is not None
    (delivery,) = of(client.say(flow(1, 0, 1)), Delivery)
    assert delivery.body == b"0"


def test_a_close_with_an_error_is_answered_without_one(client: Client) -> None:
    close = Close(error=Error(condition=Symbol("amqp:internal-error"), description="the program ends"))
    assert one(client.say(close), Close).error is None
    assert client.session.standing() & FINISHED


# ---------------------------------------------------------------------- silence, and priorities


def test_a_client_that_says_nothing_is_given_up(driven: Driven) -> None:
    settings = Amqp10Settings(anonymous_login="guest", anonymous_passcode="guest", idle_time_out=4)
    client = Client(driven, settings)
    assert one(client.feed(AMQP_HEADER + frame(0, OPEN)), Open).idle_time_out == 2000
    for _ in range(int(3 / TICK)):
        driven.clock.now += TICK
        client.session.tick(driven.clock.monotonic())
    assert not of(client.read(), Close)
    for _ in range(int(2 / TICK)):
        driven.clock.now += TICK
        client.session.tick(driven.clock.monotonic())
    assert condition_of(one(client.read(), Close)) == "amqp:resource-limit-exceeded"


def test_it_is_told_that_the_broker_lives_as_often_as_it_wants(driven: Driven) -> None:
    client = Client(driven, ANONYMOUS)
    wanted: Performative = Open(container_id="AMQPNetLite", hostname="localhost", idle_time_out=UInt(2000))
    client.feed(AMQP_HEADER + frame(0, wanted))
    client.raw = b""
    for _ in range(int(2 / TICK)):
        driven.clock.now += TICK
        client.session.tick(driven.clock.monotonic())
        client.read()
    assert client.raw.startswith(b"\x00\x00\x00\x08\x02\x00\x00\x00")


def test_a_message_without_a_priority_has_the_priority_4(client: Client, driven: Driven) -> None:
    driven.queue("p", x_max_priority=9)
    client.say(Detach(handle=UInt(0), closed=True))
    client.say(
        Attach(
            name="s",
            handle=UInt(0),
            role=False,
            source=Source(),
            target=Target(address="p"),
            initial_delivery_count=UInt(0),
        )
    )
    for number, priority in enumerate((3, None, 9, 0, 4, 5)):
        header = Header(durable=True, priority=None if priority is None else UByte(priority))
        send(client, number, header=header.encoded())
    client.say(Detach(handle=UInt(1), closed=True))
    came = client.say(Attach(name="r", handle=UInt(1), role=True, source=Source(address="p"), target=Target()))
    came += client.say(flow(10, 0))
    assert bodies(came) == [b"2", b"5", b"1", b"4", b"0", b"3"]
