"""A dead letter is never lost with a batch that fails: no publisher could be told."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven

from batonmq.errors import StoreError

# More than is free in the last page of the file.
SIZE = 200_000


@pytest.fixture
def driven(tmp_path: Path) -> Driven:
    """Queues `q` and `dead`, and a confirmed message in `q`."""
    driven = Driven(tmp_path / "store.db", memory_limit=64 << 20)
    driven.queue("dead")
    driven.queue("q", x_max_length=1, x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.publish("m", size=SIZE)
    driven.settle()
    return driven


def fill_up(driven: Driven) -> None:
    """The disk takes no more than it has."""
    db = driven.broker.store._db  # type: ignore[attr-defined]
    db.pragma("max_page_count", db.pragma("page_count"))


def make_room(driven: Driven) -> None:
    """It takes what comes again."""
    driven.broker.store._db.pragma("max_page_count", 1 << 30)  # type: ignore[attr-defined]


def fail(driven: Driven) -> None:
    """A turn whose commit fails."""
    driven.broker.end_turn()
    store = driven.broker.store
    store.stage()
    with pytest.raises(StoreError, match="full") as caught:
        store.commit()
    driven.broker.commit_done(caught.value)


def reject(driven: Driven) -> None:
    queue = driven.operations.find_queue("q")
    queued = queue.get()
    assert queued is not None
    queue.reject(queued)


@pytest.mark.parametrize("times", [1, 3])
def test_a_dead_letter_outlives_a_disk_that_was_full(driven: Driven, times: int) -> None:
    fill_up(driven)
    reject(driven)
    for _ in range(times):
        fail(driven)
    make_room(driven)
    driven.settle()
    assert (driven.operations.find_queue("q").ready_count, driven.bodies("dead")) == (0, ["m"])
    driven.crash()
    assert (driven.bodies("q"), driven.bodies("dead")) == ([], ["m"])


def test_a_crash_before_there_is_room_leaves_it_where_it_was(driven: Driven) -> None:
    fill_up(driven)
    reject(driven)
    fail(driven)
    driven.crash()
    assert (driven.bodies("q"), driven.bodies("dead")) == (["m"], [])


def test_one_that_was_settled_meanwhile_does_not_come_back(driven: Driven) -> None:
    fill_up(driven)
    reject(driven)
    fail(driven)
    dead = driven.operations.find_queue("dead")
    queued = dead.get()
    assert queued is not None
    dead.accept(queued)
    make_room(driven)
    driven.settle()
    driven.crash()
    assert (driven.bodies("q"), driven.bodies("dead")) == ([], [])


def test_one_that_is_settled_while_the_commit_fails_does_not_come_back(driven: Driven) -> None:
    fill_up(driven)
    reject(driven)
    driven.broker.end_turn()
    store = driven.broker.store
    store.stage()
    dead = driven.operations.find_queue("dead")
    queued = dead.get()
    assert queued is not None
    dead.accept(queued)
    with pytest.raises(StoreError, match="full") as caught:
        store.commit()
    driven.broker.commit_done(caught.value)
    make_room(driven)
    driven.settle()
    driven.crash()
    assert (driven.bodies("q"), driven.bodies("dead")) == ([], [])


def test_a_rejection_that_is_taken_back_takes_the_dead_letter_back(driven: Driven) -> None:
    queue, dead = driven.operations.find_queue("q"), driven.operations.find_queue("dead")
    fill_up(driven)
    queued = queue.get()
    assert queued is not None
    queue.reject(queued)
    fail(driven)
    queue.unsettle(queued)
    queue.release([queued])
    make_room(driven)
    driven.settle()
    assert (queue.ready_count, dead.ready_count) == (1, 0)
    driven.crash()
    assert (driven.bodies("q"), driven.bodies("dead")) == (["m"], [])


def test_what_a_publisher_was_refused_does_not_stay_beside_it(driven: Driven) -> None:
    fill_up(driven)
    driven.publish("refused", size=SIZE)
    fail(driven)
    make_room(driven)
    driven.settle()
    # The new one had pushed out the old one, which is a dead letter now; the new one is gone, as its publisher knows.
    assert (driven.bodies("q"), driven.bodies("dead")) == ([], ["m"])
