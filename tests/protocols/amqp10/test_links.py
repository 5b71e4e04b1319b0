"""Sessions and links through frames: sending, receiving, credit, settling (part 2 §2.5 to §2.7, part 3 §3.4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Begin,
    Detach,
    Disposition,
    End,
    Flow,
    Modified,
    Open,
    Rejected,
    Released,
    Source,
    Target,
    Transfer,
)
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import Symbol, UByte, UInt, ULong
from batonmq.protocols.amqp10.containers import Containers
from batonmq.protocols.amqp10.links import open_connection
from tests.protocols.amqp10.client import Client, Delivery, condition_of, message, of, one
from tests.support.driven import Driven

# A header with nothing but durable.
DURABLE = b"\x00\x53\x70\xc0\x02\x01\x41"


@pytest.fixture
def driven() -> Driven:
    driven = Driven()
    driven.queue("q")
    return driven


@pytest.fixture
def client(driven: Driven) -> Client:
    return Client(driven).start()


def bodies(came: list[object]) -> list[bytes]:
    return [delivery.body for delivery in of(came, Delivery)]


# ---------------------------------------------------------------------- sessions


def test_begin_and_end(client: Client) -> None:
    assert one(client.say(End()), End).error is None
    assert client.begin().remote_channel == 0


def test_frame_without_a_session(driven: Driven) -> None:
    client = Client(driven)
    client.open()
    assert client.say(Flow(incoming_window=UInt(1), next_outgoing_id=UInt(0), outgoing_window=UInt(1)))


def test_session_flow_is_echoed(client: Client) -> None:
    flow = Flow(
        next_incoming_id=UInt(0),
        incoming_window=UInt(5),
        next_outgoing_id=UInt(0),
        outgoing_window=UInt(5),
        echo=True,
    )
    answer = one(client.say(flow), Flow)
    assert answer.handle is None
    assert answer.next_incoming_id == 0


def test_unattached_handle(client: Client) -> None:
    came = client.transfer(7, message(b"m"))
    assert condition_of(one(came, End)) == "amqp:session:unattached-handle"
    # Until the client has answered, nothing it says there counts.
    assert client.transfer(7, message(b"m")) == []
    assert client.say(End()) == []
    assert client.begin().remote_channel == 0


def test_handle_in_use(client: Client) -> None:
    handle = client.sender("/queues/q")
    attach = Attach(
        name="other",
        handle=UInt(handle),
        role=False,
        source=Source(),
        target=Target(address="/queues/q"),
        initial_delivery_count=UInt(0),
    )
    assert condition_of(one(client.say(attach), End)) == "amqp:session:handle-in-use"


# ---------------------------------------------------------------------- sending


def test_send(client: Client, driven: Driven) -> None:
    handle = client.sender("/queues/q")
    disposition = one(client.transfer(handle, message(b"hello")), Disposition)
    assert disposition.role is True
    assert disposition.settled is True
    assert (disposition.first, disposition.last) == (0, None)
    assert isinstance(disposition.state, Accepted)
    assert driven.bodies() == ["hello"]


def test_send_settled(client: Client, driven: Driven) -> None:
    handle = client.sender("/queues/q")
    assert not of(client.transfer(handle, message(b"hello"), settled=True), Disposition)
    assert driven.bodies() == ["hello"]


def test_durable_message_is_accepted_after_the_commit(client: Client, driven: Driven) -> None:
    driven.slow_commits = True
    handle = client.sender("/queues/q")
    transfer = Transfer(
        handle=UInt(handle), delivery_id=UInt(0), delivery_tag=b"0", message_format=UInt(0), settled=False
    )
    client.session.receive(frame(0, transfer, message(b"hello", DURABLE)))
    client.session.turn_ended()
    assert not client.session.output or b"\x53\x15" not in b"".join(client.session.output)
    assert one(client.read(), Disposition).state is not None


def test_what_comes_during_a_commit_is_accepted_after_the_next(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store.db")
    driven.queue("q")
    client = Client(driven).start()
    handle = client.sender("/queues/q")
    driven.slow_commits = True
    for number in range(3):
        transfer = Transfer(
            handle=UInt(handle), delivery_id=UInt(number), delivery_tag=b"%d" % number, message_format=UInt(0)
        )
        client.session.receive(frame(0, transfer, message(b"hello", DURABLE)))
        driven.turn()
    last = of(client.read(), Disposition)[-1]
    assert (last.last or last.first) == 2


def test_several_transfers_are_one_message(client: Client, driven: Driven) -> None:
    handle = client.sender("/queues/q")
    payload = message(b"a long message in pieces")
    assert client.transfer(handle, payload[:5], more=True) == []
    assert client.transfer(handle, payload[5:9], more=True, delivery_id=None, delivery_tag=None) == []
    came = client.transfer(handle, payload[9:], delivery_id=None, delivery_tag=None)
    assert one(came, Disposition).first == 0
    assert driven.bodies() == ["a long message in pieces"]


def test_aborted(client: Client, driven: Driven) -> None:
    handle = client.sender("/queues/q")
    payload = message(b"never")
    client.transfer(handle, payload[:5], more=True)
    assert not of(client.transfer(handle, b"", aborted=True, delivery_id=None, delivery_tag=None), Disposition)
    assert one(client.transfer(handle, message(b"next")), Disposition).first is not None
    assert driven.bodies() == ["next"]


def test_unroutable_is_released(client: Client) -> None:
    handle = client.sender("/exchanges/amq.direct/nowhere")
    assert isinstance(one(client.transfer(handle, message(b"x")), Disposition).state, Released)


def test_second_receiver_settle_mode(client: Client, driven: Driven) -> None:
    handle = client.sender("/queues/q", rcv_settle_mode=UByte(1))
    told, settled = of(client.transfer(handle, message(b"hello")), Disposition)
    assert not told.settled
    assert settled.settled
    assert isinstance(told.state, Accepted)
    assert isinstance(settled.state, Accepted)
    client.say(Disposition(role=False, first=UInt(0), settled=True))
    assert driven.bodies() == ["hello"]


def test_message_that_cannot_be_read(client: Client) -> None:
    handle = client.sender("/queues/q")
    came = client.transfer(handle, b"\x00\x53\x99nonsense")
    assert condition_of(one(came, Detach)) == "amqp:decode-error"
    # What was under way for it is dropped, and the handle is free after the client's detach.
    assert client.transfer(handle, message(b"x")) == []
    assert client.say(Detach(handle=UInt(handle), closed=True)) == []


def test_credit_is_renewed(client: Client) -> None:
    handle = client.sender("/queues/q")
    flows = []
    for _ in range(1_200):
        flows += of(client.transfer(handle, message(b"x"), settled=True), Flow)
    assert flows
    assert flows[-1].link_credit == 1_000


def test_full_queue_rejects(client: Client, driven: Driven) -> None:
    driven.queue("small", x_max_length=1, x_overflow="reject-publish")
    handle = client.sender("/queues/small")
    assert isinstance(one(client.transfer(handle, message(b"1")), Disposition).state, Accepted)
    state = one(client.transfer(handle, message(b"2")), Disposition).state
    assert isinstance(state, Rejected)
    assert state.error is not None
    assert state.error.condition == "amqp:resource-limit-exceeded"
    assert state.error.description == "queue 'small' exceeded maximum length"
    assert state.error.info == {"queue": "small", "reason": "maxlen"}


# ---------------------------------------------------------------------- receiving


def test_receive_under_credit(client: Client, driven: Driven) -> None:
    for number in range(5):
        driven.publish(f"m{number}")
    handle = client.receiver("/queues/q")
    assert bodies(client.credit(handle, 2)) == [b"m0", b"m1"]
    assert bodies(client.credit(handle, 1, delivery_count=2)) == [b"m2"]
    # Credit counts from what the client has seen: one that has not seen two gets one.
    assert bodies(client.credit(handle, 2, delivery_count=2)) == [b"m3"]


def test_accept(client: Client, driven: Driven) -> None:
    driven.publish("m")
    client.receiver("/queues/q", 10)
    delivery = one(client.read(), Delivery)
    assert not delivery.transfer.settled
    assert not of(client.settle(delivery.delivery_id, Accepted()), Disposition)
    client.lose()
    assert driven.bodies() == []


def test_accept_unsettled_is_answered(client: Client, driven: Driven) -> None:
    driven.publish("m")
    client.receiver("/queues/q", 10)
    delivery = one(client.read(), Delivery)
    answer = one(client.settle(delivery.delivery_id, Accepted(), settled=False), Disposition)
    assert answer.role is False
    assert answer.settled is True
    client.lose()
    assert driven.bodies() == []


def test_range_of_dispositions(client: Client, driven: Driven) -> None:
    for number in range(5):
        driven.publish(f"m{number}")
    client.receiver("/queues/q", 10)
    assert len(of(client.read(), Delivery)) == 5
    client.settle(0, Accepted(), UInt(2))
    client.lose()
    assert driven.bodies() == ["m3", "m4"]


@pytest.mark.parametrize(
    ("state", "count"),
    [(Released(), 0), (Modified(delivery_failed=True), 1), (Modified(), 0)],
)
def test_comes_back(client: Client, driven: Driven, state: object, count: int) -> None:
    driven.publish("m")
    handle = client.receiver("/queues/q", 1)
    first = one(client.read(), Delivery)
    assert not of(client.settle(first.delivery_id, state), Delivery)
    again = one(client.credit(handle, 1, delivery_count=1), Delivery)
    assert again.body == b"m"
    header = Sections(again.payload).header()
    assert header is not None
    assert (header.delivery_count or 0) == count
    assert not header.first_acquirer


def test_rejected_is_dead_lettered(client: Client, driven: Driven) -> None:
    driven.queue("dead")
    driven.queue("work", x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.publish("m", queue="work")
    client.receiver("/queues/work", 1)
    client.settle(one(client.read(), Delivery).delivery_id, Rejected())
    assert driven.bodies("dead") == ["m"]


def test_settled_without_an_outcome_comes_to_the_default(client: Client, driven: Driven) -> None:
    driven.publish("m")
    client.receiver("/queues/q", 1, source=Source(address="/queues/q", default_outcome=Accepted()))
    client.settle(one(client.read(), Delivery).delivery_id, None)
    client.lose()
    assert driven.bodies() == []


def test_presettled(client: Client, driven: Driven) -> None:
    driven.publish("m")
    client.receiver("/queues/q", 1, snd_settle_mode=UByte(1))
    assert one(client.read(), Delivery).transfer.settled is True
    client.lose()
    assert driven.bodies() == []


def test_drain(client: Client, driven: Driven) -> None:
    driven.publish("m")
    handle = client.receiver("/queues/q")
    came = client.credit(handle, 10, drain=True)
    assert bodies(came) == [b"m"]
    flow = one(came, Flow)
    assert flow.drain is True
    assert flow.link_credit == 0
    assert flow.delivery_count == 10
    driven.publish("later")
    assert not of(client.read(), Delivery)


def test_drain_of_an_empty_queue(client: Client) -> None:
    handle = client.receiver("/queues/q")
    flow = one(client.credit(handle, 3, drain=True), Flow)
    assert (flow.link_credit, flow.delivery_count, flow.available) == (0, 3, 0)


def test_link_flow_is_echoed(client: Client, driven: Driven) -> None:
    driven.publish("m")
    driven.settle()
    handle = client.receiver("/queues/q")
    flow = one(client.credit(handle, 0, echo=True), Flow)
    assert flow.handle is not None
    assert (flow.link_credit, flow.available) == (0, 1)


def test_links_of_a_single_active_consumer_hear_which_is_served(client: Client, driven: Driven) -> None:
    driven.queue("single", x_single_active_consumer=True)

    def attach(handle: int) -> list[object]:
        source = Source(address="/queues/single")
        return client.say(Attach(name=f"link {handle}", handle=UInt(handle), role=True, source=source, target=Target()))

    def detach(handle: int) -> list[object]:
        return client.say(Detach(handle=UInt(handle), closed=True))

    def heard(came: list[object]) -> list[tuple[object, object]]:
        return [(flow.handle, flow.properties) for flow in of(came, Flow)]

    came = attach(0)
    assert [type(each) for each in came] == [Attach, Flow]
    assert heard(came) == [(0, {"rabbitmq:active": True})]
    assert heard(attach(1)) == [(1, {"rabbitmq:active": False})]
    assert heard(attach(2)) == [(2, {"rabbitmq:active": False})]
    assert heard(detach(2)) == []
    assert heard(detach(0)) == [(1, {"rabbitmq:active": True})]


def test_window_of_the_session(driven: Driven) -> None:
    for number in range(5):
        driven.publish(f"m{number}")
    client = Client(driven)
    client.open()
    client.begin(incoming_window=UInt(2))
    handle = client.receiver("/queues/q")
    came = client.credit(handle, 10, incoming_window=UInt(2))
    assert bodies(came) == [b"m0", b"m1"]
    came = client.credit(handle, 10, incoming_window=UInt(2), next_incoming_id=UInt(2), delivery_count=2)
    assert bodies(came) == [b"m2", b"m3"]


def test_large_message_waits_for_the_window(driven: Driven) -> None:
    driven.publish("m", size=4_000)
    client = Client(driven)
    client.log_in()
    client.say(Open(container_id="c", max_frame_size=UInt(512)))
    client.begin(incoming_window=UInt(3))
    handle = client.receiver("/queues/q")
    came = of(client.credit(handle, 10, incoming_window=UInt(3)), Delivery)
    assert len(came) == 3
    assert all(delivery.transfer.more for delivery in came)
    seen = 3
    while True:
        flow = Flow(
            next_incoming_id=UInt(seen),
            incoming_window=UInt(3),
            next_outgoing_id=UInt(0),
            outgoing_window=UInt(3),
        )
        more = of(client.say(flow), Delivery)
        assert more
        came += more
        seen += len(more)
        if not more[-1].transfer.more:
            break
    payload = b"".join(delivery.payload for delivery in came)
    assert payload.count(b".") == 3_999
    assert all(len(delivery.payload) <= 512 for delivery in came)


def test_detach_gives_back(client: Client, driven: Driven) -> None:
    driven.publish("m")
    handle = client.receiver("/queues/q", 1)
    assert of(client.read(), Delivery)
    answer = one(client.say(Detach(handle=UInt(handle), closed=True)), Detach)
    assert answer.closed is True
    assert driven.bodies() == ["m"]


def test_end_gives_back(client: Client, driven: Driven) -> None:
    driven.publish("m")
    client.receiver("/queues/q", 1)
    client.say(End())
    assert driven.bodies() == ["m"]


def test_deleted_queue_detaches(client: Client, driven: Driven) -> None:
    client.receiver("/queues/q", 1)
    driven.operations.delete_queue("q")
    detach = one(client.read(), Detach)
    assert detach.closed is True
    assert condition_of(detach) == "amqp:resource-deleted"


def test_link_is_stolen(driven: Driven) -> None:
    containers = Containers()
    first = Client(driven, containers=containers).start()
    second = Client(driven, containers=containers).start()
    first.receiver("/queues/q", 1, name="mine")
    second.receiver("/queues/q", 1, name="mine")
    assert condition_of(one(first.read(), Detach)) == "amqp:link:stolen"


def test_missing_queue_is_refused(client: Client) -> None:
    attach = Attach(name="r", handle=UInt(0), role=True, source=Source(address="/queues/none"), target=Target())
    came = client.say(attach)
    assert one(came, Attach).source is None
    assert condition_of(one(came, Detach)) == "amqp:not-found"


def test_message_larger_than_the_client_takes(client: Client, driven: Driven) -> None:
    driven.publish("small")
    driven.publish("m", size=10_000)
    client.receiver("/queues/q", 10, max_message_size=ULong(1_000))
    came = client.read()
    assert bodies(came) == [b"small"]
    assert condition_of(one(came, Detach)) == "amqp:link:message-size-exceeded"
    assert len(driven.bodies()) == 2


def test_browse(client: Client, driven: Driven) -> None:
    for number in range(3):
        driven.publish(f"m{number}")
    driven.settle()
    source = Source(address="/queues/q", distribution_mode=Symbol("copy"))
    handle = client.receiver("/queues/q", source=source)
    came = client.credit(handle, 10, drain=True)
    assert bodies(came) == [b"m0", b"m1", b"m2"]
    assert one(came, Flow).link_credit == 0
    client.settle(0, Rejected(), UInt(2))
    assert driven.bodies() == ["m0", "m1", "m2"]


def test_begin_again(client: Client) -> None:
    assert isinstance(
        one(
            client.say(Begin(next_outgoing_id=UInt(0), incoming_window=UInt(1), outgoing_window=UInt(1)), channel=1),
            Begin,
        ),
        Begin,
    )


# ---------------------------------------------------------------------- memory


def test_links_of_a_connection_take_so_much_and_no_more(driven: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_connection, "LINKS_OCTETS", 40_000)
    client = Client(driven).start()
    first = client.sender("/queues/q", name="first")
    large = Attach(
        name="large",
        handle=UInt(7),
        role=False,
        source=Source(),
        target=Target(address="/queues/q"),
        initial_delivery_count=UInt(0),
        properties={Symbol("x-note"): "a" * 1_600},
    )
    assert one(client.say(large), Attach).target is not None
    assert condition_of(one(client.say(replaced(large, "larger", 8)), End)) == "amqp:resource-limit-exceeded"
    # The end gives all of it back, and so does a detach.
    client.say(End())
    client.begin()
    for _ in range(5):
        assert one(client.say(large), Attach).target is not None
        client.say(Detach(handle=UInt(7), closed=True))
    assert first == 0


def replaced(attach: Attach, name: str, handle: int) -> Attach:
    """The same attach under another name and handle."""
    fields = {part.name: getattr(attach, part.name) for part in Attach.LAYOUT}
    return Attach(**{**fields, "name": name, "handle": UInt(handle)})
