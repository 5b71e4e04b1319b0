"""Consumers with selectors: each takes what it wants out of the middle, and what nobody wants is in nobody's way."""

from __future__ import annotations

import pytest
from tests.support.driven import Driven, Taker

from batonmq.message import Message


class Colour:
    """Wants messages whose header `colour` is of one of these."""

    def __init__(self, *colours: str) -> None:
        self.colours = colours
        self.looked = 0

    def matches(self, message: Message) -> bool:
        self.looked += 1
        return (message.properties.headers or {}).get("colour") in self.colours


def choosy(driven: Driven, *colours: str, prefetch: int = 1, no_ack: bool = False) -> Taker:
    taker = driven.taker(prefetch=prefetch, no_ack=no_ack)
    taker.selector = Colour(*colours)
    driven.operations.subscribe(taker.queue, taker)
    return taker


def fill(driven: Driven, count: int, colours: str, *, size: int = 0, persistent: bool = True) -> list[str]:
    """Messages of these colours in turn, named by colour and number."""
    names = [f"{colours[number % len(colours)]}{number}" for number in range(count)]
    for name in names:
        driven.publish(name, {"colour": name[0]}, size=size, persistent=persistent)
    driven.settle()
    return names


def test_each_gets_what_it_selects_in_order(driven: Driven) -> None:
    driven.queue()
    names = fill(driven, 20, "rgb")
    red, green = choosy(driven, "r", prefetch=50), choosy(driven, "g", prefetch=50)
    driven.settle()
    assert red.seen == [name for name in names if name[0] == "r"]
    assert green.seen == [name for name in names if name[0] == "g"]


def test_what_nobody_selects_blocks_nobody(driven: Driven) -> None:
    queue = driven.queue()
    fill(driven, 300, "b", size=1024)
    red = choosy(driven, "r")
    driven.settle()
    driven.publish("r", {"colour": "r"})
    driven.settle()
    assert red.seen == ["r"]
    assert queue.ready_count == 300


def test_a_consumer_without_a_selector_takes_the_rest(driven: Driven) -> None:
    driven.queue()
    red, all_ = choosy(driven, "r", prefetch=100), driven.consume(prefetch=100)
    names = fill(driven, 40, "rgb")
    assert sorted(red.seen + all_.seen) == sorted(names)
    assert set(red.seen) <= {name for name in names if name[0] == "r"}
    assert [name for name in names if name in all_.seen] == all_.seen


@pytest.mark.parametrize("persistent", [True, False])
def test_the_store_is_searched_without_loading_what_is_not_wanted(stored: Driven, persistent: bool) -> None:
    queue = stored.queue()
    names = fill(stored, 3_000, "b" * 99 + "r", size=1024, persistent=persistent)
    assert queue.lane.paged > 2_000
    red = choosy(stored, "r", prefetch=1_000)
    stored.settle()
    assert red.seen == [name for name in names if name[0] == "r"]
    assert queue.lane.bytes < 2 * stored.memory_limit
    assert (queue.ready_count, queue.unsettled) == (2_970, 30)


def test_searching_a_long_queue_is_done_in_slices(stored: Driven) -> None:
    stored.queue()
    fill(stored, 3_000, "b", size=1024)
    red = choosy(stored, "r")
    looked = []
    selector = red.selector
    assert isinstance(selector, Colour)
    for _ in range(20):
        before = selector.looked
        stored.turn()
        looked.append(selector.looked - before)
    stored.settle()
    assert selector.looked == 3_000
    # A turn may search before and after a commit.
    assert max(looked) <= 4_000 // 2


def test_nothing_is_searched_twice(driven: Driven) -> None:
    driven.queue()
    red = choosy(driven, "r", prefetch=1_000)
    fill(driven, 1_000, "br")
    selector = red.selector
    assert isinstance(selector, Colour)
    assert selector.looked == 1_000
    red.accept(500)
    driven.publish("b", {"colour": "b"})
    driven.settle()
    assert selector.looked == 1_001


def test_what_comes_back_goes_to_whom_it_suits_at_its_old_place(driven: Driven) -> None:
    queue = driven.queue()
    names = fill(driven, 60, "rgb", size=1024)
    red = choosy(driven, "r", prefetch=20)
    driven.settle()
    red.leave()
    driven.settle()
    assert queue.ready_count == 60
    other = choosy(driven, "r", prefetch=5)
    driven.settle()
    assert other.seen == [name for name in names if name[0] == "r"][:5]
    assert all(queued.return_count == 1 for queued in other.held)
    other.release(2)
    driven.settle()
    assert other.seen[5:] == other.seen[:2]
    other.leave()
    everything = driven.consume(prefetch=100)
    driven.settle()
    assert everything.seen == names


def test_what_was_taken_from_the_store_goes_back_to_it(stored: Driven) -> None:
    queue = stored.queue()
    names = fill(stored, 2_000, "b" * 99 + "r", size=1024)
    red = choosy(stored, "r", prefetch=100)
    stored.settle()
    assert len(red.held) == 20
    red.accept(7)
    red.leave()
    stored.settle()
    assert queue.ready_count == 1_993
    wanted = [name for name in names if name not in red.seen[:7]]
    everything = stored.consume(no_ack=True)
    stored.settle()
    assert everything.seen == wanted
    assert queue.ready_count == 0


def test_a_refill_skips_what_is_held_beyond_the_window(stored: Driven) -> None:
    queue = stored.queue()
    names = fill(stored, 2_000, "b" * 99 + "r", size=1024)
    red = choosy(stored, "r", prefetch=100)
    stored.settle()
    everything = stored.consume(no_ack=True)
    stored.settle()
    assert everything.seen == [name for name in names if name[0] == "b"]
    red.leave()
    stored.settle()
    assert everything.seen[1_980:] == [name for name in names if name[0] == "r"]
    assert queue.ready_count == queue.unsettled == 0


def test_a_purge_leaves_what_is_held(stored: Driven) -> None:
    queue = stored.queue()
    fill(stored, 1_000, "b" * 99 + "r", size=1024)
    red = choosy(stored, "r", prefetch=100)
    stored.settle()
    held = red.seen[:]
    assert queue.purge() == 990
    stored.settle()
    stored.crash()
    stored.settle()
    again = stored.consume(prefetch=100)
    stored.settle()
    assert again.seen == held


def test_redelivery_survives_a_crash_for_exactly_what_was_handed_out(stored: Driven) -> None:
    stored.queue()
    names = fill(stored, 400, "bbbr", size=1024)
    red = choosy(stored, "r", prefetch=50)
    stored.settle()
    red.release(10)
    stored.settle()
    red.accept(20)
    stored.settle()
    held = {queued.message.body: queued.return_count for queued in red.held}
    settled = [name for name in names if name[0] == "r"][10:30]
    stored.crash()
    everything = stored.consume(prefetch=1_000)
    stored.settle()
    assert sorted(everything.seen) == sorted(name for name in names if name not in settled)
    for queued in everything.held:
        body = queued.message.body
        assert queued.return_count == (held[body] + 1 if body in held else 0), body


def test_a_message_handed_out_in_the_turn_of_its_publish_is_redelivered_after_a_crash(stored: Driven) -> None:
    stored.queue()
    red = choosy(stored, "r")
    stored.publish("b", {"colour": "b"})
    stored.publish("r", {"colour": "r"})
    stored.turn()
    assert red.seen == ["r"]
    stored.crash()
    everything = stored.consume(prefetch=10)
    stored.settle()
    assert {queued.message.body: queued.return_count for queued in everything.held} == {b"b": 0, b"r": 1}


def test_without_acknowledgement_nothing_comes_twice(stored: Driven) -> None:
    queue = stored.queue()
    names = fill(stored, 1_500, "br", size=1024)
    red, also = choosy(stored, "r", no_ack=True), choosy(stored, "r", "b", no_ack=True)
    stored.settle()
    assert sorted(red.seen + also.seen) == sorted(names)
    assert queue.ready_count == 0


def test_expired_messages_are_not_handed_out(stored: Driven) -> None:
    queue = stored.queue(x_message_ttl=5_000)
    fill(stored, 400, "bbbr", size=1024)
    red = choosy(stored, "r", prefetch=10)
    stored.settle()
    stored.wait(6)
    assert queue.ready_count == 0
    red.accept(3)
    stored.settle()
    assert len(red.seen) == 10
    red.release()
    stored.settle()
    assert (queue.unsettled, queue.ready_count) == (0, 0)


def test_when_the_last_selector_leaves_the_queue_is_plain_again(driven: Driven) -> None:
    queue = driven.queue()
    fill(driven, 10, "rb")
    red = choosy(driven, "r", prefetch=3)
    driven.settle()
    before = queue.featured
    red.leave()
    assert (before, queue.featured) == (True, False)
    everything = driven.consume(prefetch=100)
    driven.settle()
    assert len(everything.seen) == 10


class Costly(Colour):
    """Looks at a message for 50 ms."""

    def __init__(self, driven: Driven, *colours: str) -> None:
        super().__init__(*colours)
        self._driven = driven

    def matches(self, message: Message) -> bool:
        self._driven.clock.now += 0.05
        return super().matches(message)


def test_a_costly_selector_looks_at_a_few_messages_at_a_time(driven: Driven) -> None:
    driven.queue()
    names = fill(driven, 40, "rg")
    taker = driven.taker(prefetch=50)
    taker.selector = costly = Costly(driven, "r")
    driven.operations.subscribe(taker.queue, taker)
    before = 0
    while costly.looked < len(names):
        driven.turn()
        # The queue is looked at when it was touched, and as one that had not seen everything.
        assert before < costly.looked <= before + 4
        before = costly.looked
    driven.settle()
    assert taker.seen == names[::2]


def test_so_does_one_that_browses(driven: Driven) -> None:
    driven.queue()
    names = fill(driven, 40, "rg")
    costly = Costly(driven, "r")
    browser = driven.operations.browse("q", costly)
    seen: list[str] = []
    while not browser.finished:
        before = costly.looked
        seen += [found.message.body.decode() for found in browser.read(100)]
        assert costly.looked <= before + 3
    assert seen == names[::2]


def test_so_does_one_that_moves(driven: Driven) -> None:
    driven.queue()
    driven.queue("to")
    names = fill(driven, 40, "rg")
    costly = Costly(driven, "r")
    driven.operations.move_messages("q", "to", lambda _: None, selector=costly)
    assert costly.looked <= 3
    driven.settle()
    assert costly.looked == len(names)
    assert driven.bodies("to") == names[::2]
