"""Messages of several frames through a window of a few: what waits for the client, and what overtakes it."""

from __future__ import annotations

from batonmq.protocols.amqp10.codec.performatives import Accepted, Detach, Flow, Open
from batonmq.protocols.amqp10.codec.values import UInt
from batonmq.protocols.sessions.output import UNSENT_MAX
from tests.protocols.amqp10.client import Client, Delivery, of, one
from tests.support.driven import Driven

# Each is of four frames or five.
SIZE = 2_000


def small(*names: str, window: int) -> tuple[Driven, Client, int]:
    """A client with a receiver, a window of so many frames, and frames of 512 octets; the queue has these messages."""
    driven = Driven()
    driven.queue("q")
    for name in names:
        driven.publish(name, size=SIZE)
    client = Client(driven)
    client.log_in()
    client.say(Open(container_id="c", max_frame_size=UInt(512)))
    client.begin(incoming_window=UInt(window))
    return driven, client, client.receiver("/queues/q")


def widen(client: Client, seen: int) -> list[object]:
    """Room for as many frames as there are, after so many."""
    room = UInt(2048)
    flow = Flow(next_incoming_id=UInt(seen), incoming_window=room, next_outgoing_id=UInt(0), outgoing_window=room)
    return client.say(flow)


def bodies(came: list[object]) -> list[str]:
    """The names of the messages that came, put together from their transfers."""
    names: list[str] = []
    whole = b""
    for delivery in of(came, Delivery):
        whole += delivery.payload
        if not delivery.transfer.more:
            assert len(whole) > SIZE
            names.append(whole.rstrip(b".")[-1:].decode())
            whole = b""
    assert not whole
    return names


def test_no_transfer_follows_the_detach() -> None:
    """Not even one that would continue a delivery, and be taken for one of the next link with that handle."""
    _, client, handle = small("a", "b", window=1)
    assert len(of(client.credit(handle, 10, incoming_window=UInt(1)), Delivery)) == 1
    one(client.say(Detach(handle=UInt(handle), closed=True)), Detach)
    again = client.receiver("/queues/q", name="again")
    assert not of(widen(client, 1), Delivery)
    assert bodies(client.credit(again, 10, next_incoming_id=UInt(1))) == ["a", "b"]


def test_the_other_links_have_the_room_of_one_that_is_detached() -> None:
    _, client, handle = small("a", "b", window=1)
    other = client.receiver("/queues/q", name="other")
    assert len(of(client.credit(handle, 1, incoming_window=UInt(1)), Delivery)) == 1
    client.credit(other, 10, incoming_window=UInt(1))
    client.say(Detach(handle=UInt(handle), closed=True))
    assert sorted(bodies(widen(client, 1))) == ["a", "b"]


def test_the_end_of_a_drain_comes_behind_what_it_counts() -> None:
    _, client, handle = small("a", "b", window=2)
    came = client.credit(handle, 2, incoming_window=UInt(2), drain=True)
    assert len(of(came, Delivery)) == 2
    assert not of(came, Flow)
    came += widen(client, 2)
    assert bodies(came) == ["a", "b"]
    assert isinstance(came[-1], Flow)
    flow = one(came, Flow)
    assert (flow.delivery_count, flow.link_credit, flow.drain) == (2, 0, True)


def test_a_flow_does_not_count_what_has_not_begun() -> None:
    _, client, handle = small("a", "b", "c", window=2)
    came = client.credit(handle, 10, incoming_window=UInt(2), echo=True)
    assert len(of(came, Delivery)) == 2
    flow = one(client.credit(handle, 10, incoming_window=UInt(0), next_incoming_id=UInt(2), echo=True), Flow)
    assert (flow.delivery_count, flow.link_credit) == (1, 9)


def test_a_drain_ends_when_its_last_message_has_filled_the_output() -> None:
    driven = Driven()
    driven.queue("q")
    for count in (1, 2, 3, 10):
        size = UNSENT_MAX // count + 1
        for number in range(count):
            driven.publish(f"{number}", size=size)
        client = Client(driven).start()
        client.parser.limit(1 << 20, 255)
        handle = client.receiver("/queues/q")
        came = client.credit(handle, 20, drain=True)
        assert len(of(came, Delivery)) >= count
        assert one(came, Flow).link_credit == 0
        client.settle(0, Accepted(), 20_000)
        client.lose()
