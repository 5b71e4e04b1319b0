"""A backlog that is only in the store is read on while a commit is under way, and only what may be believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven, Taker

from batonmq.message import Message


class Even:
    """Wants messages with an even number."""

    def matches(self, message: Message) -> bool:
        return int(message.body.rstrip(b".")) % 2 == 0


@pytest.fixture
def driven(tmp_path: Path) -> Driven:
    return Driven(tmp_path / "store.db")


def fill(driven: Driven, count: int) -> list[str]:
    names = [str(number) for number in range(count)]
    for name in names:
        driven.publish(name, size=1_024)
    driven.settle()
    return names


def begin_commit(driven: Driven) -> None:
    """A commit that does not end before ``end_commit``."""
    store = driven.broker.store
    store.stage()
    assert store.busy


def end_commit(driven: Driven) -> None:
    driven.broker.store.commit()
    driven.broker.commit_done(None)


def drain(driven: Driven, taker: Taker) -> None:
    driven.broker.end_turn()
    while taker.held:
        taker.accept(len(taker.held))
        driven.broker.end_turn()


def test_the_backlog_is_read_while_a_commit_lasts(driven: Driven) -> None:
    queue = driven.queue()
    names = fill(driven, 400)
    assert queue.lane.paged > 200
    taker = driven.consume(prefetch=50)
    begin_commit(driven)
    drain(driven, taker)
    assert taker.seen == names
    assert queue.lane.paged == 0
    end_commit(driven)


def test_what_is_not_committed_comes_after_the_commit(driven: Driven) -> None:
    driven.queue()
    names = fill(driven, 200)
    for number in range(200, 300):
        driven.publish(str(number), size=1_024)
        names.append(str(number))
    taker = driven.consume(prefetch=50)
    begin_commit(driven)
    drain(driven, taker)
    assert taker.seen == names[:200]
    end_commit(driven)
    driven.settle()
    drain(driven, taker)
    driven.settle()
    assert taker.seen == names


def test_what_was_taken_out_of_the_store_is_not_read_again_before_its_deletion_is_committed(driven: Driven) -> None:
    queue = driven.queue()
    names = fill(driven, 400)
    even = driven.taker(prefetch=400)
    even.selector = Even()
    driven.operations.subscribe(queue, even)
    driven.settle()
    assert even.seen == names[::2]
    even.accept(200)
    even.leave()
    # Forgotten as settled, and still in what is committed.
    queue.lane._held_max = 0
    queue.lane.forget_settled()
    begin_commit(driven)
    taker = driven.consume(prefetch=50)
    drain(driven, taker)
    end_commit(driven)
    driven.settle()
    drain(driven, taker)
    driven.settle()
    assert taker.seen == names[1::2]


def test_what_went_back_to_the_store_keeps_its_place(driven: Driven) -> None:
    """A window that shrinks leaves its tail to the store again, without what has left its middle."""
    queue = driven.queue()
    names = fill(driven, 400)
    in_window = len(queue.lane.ready)
    assert in_window > 10
    queue.lane.shrink(4 << 10)
    begin_commit(driven)
    taker = driven.consume(prefetch=50)
    drain(driven, taker)
    end_commit(driven)
    for _ in range(5):
        driven.settle()
        drain(driven, taker)
    assert taker.seen == names
