"""What waits for a commit of the store, while another one is being made."""

from __future__ import annotations

from pathlib import Path

import pytest

from batonmq.protocols.amqp10.codec.constants import FRAME
from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.performatives import Accepted, Attach, Disposition, Rejected, Transfer
from batonmq.protocols.amqp10.codec.values import UInt
from batonmq.protocols.sessions.unconfirmed import RUN_MOST
from tests.protocols.amqp10.client import Client, Delivery, message, of
from tests.support.driven import Driven

DURABLE = b"\x00\x53\x70\xc0\x02\x01\x41"


@pytest.fixture
def stored(tmp_path: Path) -> Driven:
    """Over a file, to which commits take some turns."""
    driven = Driven(tmp_path / "store")
    driven.queue()
    driven.settle()
    driven.slow_commits = True
    return driven


def _transfer(client: Client, handle: int, number: int, *, settled: bool = False) -> None:
    """Send one, and wait for nothing."""
    transfer = Transfer(
        handle=UInt(handle), delivery_id=UInt(number), delivery_tag=b"t", message_format=UInt(0), settled=settled
    )
    client.session.receive(frame(0, transfer, message(b"%d" % number, DURABLE)))


def _told(came: list[object], state: type) -> set[int]:
    """The deliveries that were settled with this outcome."""
    told: set[int] = set()
    for disposition in of(came, Disposition):
        assert isinstance(disposition.state, state)
        assert disposition.settled
        told |= set(range(disposition.first, (disposition.last or disposition.first) + 1))
    return told


def _accepted(client: Client) -> set[int]:
    """The deliveries that are accepted after the turn, without a commit."""
    client.driven.broker.end_turn()
    client.session.turn_ended()
    data = b"".join(client.session.output)
    client.session.output.clear()
    return _told([event[2] for event in client.parser.feed(data) if event[0] == FRAME], Accepted)


@pytest.mark.parametrize("sizes", [(1,), (1, 2)], ids=["alike", "of two sizes"])
def test_who_fills_a_window_in_one_read_hears_of_its_first_part(stored: Driven, sizes: tuple[int, ...]) -> None:
    stored.slow_commits = False
    client = Client(stored).start()
    handle = client.sender("q")
    client.read()
    taker = stored.consume(prefetch=10 * RUN_MOST)
    stored.settle()
    store = stored.broker.store
    store.cut_at(RUN_MOST)
    data = b""
    for number in range(2 * RUN_MOST + 44):
        transfer = Transfer(
            handle=UInt(handle), delivery_id=UInt(number), delivery_tag=b"t", message_format=UInt(0), settled=False
        )
        data += frame(0, transfer, message(b"x" * sizes[number % len(sizes)], DURABLE))
    client.session.receive(data)
    assert _accepted(client) == set()
    assert store.may_wait()
    store.part()
    # As one does that settles a hundred at a time.
    taker.accept(200)
    told = _accepted(client)
    # A run of them, and what came before one was seen.
    assert RUN_MOST <= len(told) < 200
    assert told == set(range(len(told)))
    taker.accept(100)
    assert _accepted(client) == set(range(len(told), 2 * RUN_MOST + 44))
    assert not store.has_work()


def test_what_comes_while_another_commit_is_made_is_accepted_by_the_next(stored: Driven) -> None:
    client = Client(stored).start()
    handle = client.sender("q")
    for number in range(3):
        _transfer(client, handle, number)
        stored.turn()
    assert _told(client.read(), Accepted) == {0, 1, 2}


def test_what_is_settled_while_a_commit_is_made_is_answered_by_the_next(stored: Driven) -> None:
    client = Client(stored).start()
    handle = client.sender("q")
    for number in range(3):
        _transfer(client, handle, number)
    client.read()
    client.came.clear()
    receiver = client.receiver("q", 3)
    ids = [delivery.delivery_id for delivery in of(client.read(), Delivery)]
    for number in ids:
        disposition = Disposition(role=True, first=UInt(number), settled=False, state=Accepted())
        client.session.receive(frame(0, disposition))
        stored.turn()
    assert receiver == 1
    assert _told(client.read(), Accepted) == {0, 1, 2} == set(ids)


def test_a_resumed_delivery_is_refused_and_any_other_state_is_not(stored: Driven) -> None:
    client = Client(stored).start()
    handle = client.sender("q")
    assert _told(client.transfer(handle, message(b"x"), state=Rejected()), Accepted) == {0}
    came = client.transfer(handle, message(b"x"), resume=True)
    assert [each.error.condition for each in came if hasattr(each, "error")] == ["amqp:not-implemented"]


@pytest.mark.parametrize("count", [1, 5])
def test_a_delivery_needs_a_tag(stored: Driven, count: int) -> None:
    client = Client(stored).start()
    handle = client.sender("q")
    transfer = Transfer(handle=UInt(handle), delivery_id=UInt(0), message_format=UInt(0))
    came = client.feed(frame(0, transfer, message(b"x")) * count)
    assert [each.error.condition for each in came if hasattr(each, "error")] == ["amqp:invalid-field"]
    assert not of(came, Attach)
